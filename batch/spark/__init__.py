"""The jobs of batch/ under Apache Spark, for catalogues beyond one machine. Spark has an environment of its own."""
