"""OpenAI's audio, embedding, model and rerank calls, thin over the same use cases as every other face."""
