"""MQTT in, Listen in between, events and speech out: the bridge between wearables and the gateway."""
