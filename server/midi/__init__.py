"""MIDI at the edge: events to and from standard MIDI files (`file`); bytes on the wire are plugin_bridge.protocol's."""
