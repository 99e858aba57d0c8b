"""The other end of the wire: devices that a command plays, over MQTT, for demonstrations, trials and measurements."""
