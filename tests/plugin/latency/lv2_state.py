"""Save an LV2 plug-in's state with lilv, as jalv.gtk or any other host on lilv would: what `jalv -l FOLDER` then loads.

Words: bundle, URI, sample rate, block, folder, SYMBOL=VALUE... The plug-in is set, activated, and asked for its state. A
process of its own, since lilv and the plug-in are loaded into it.
"""

import ctypes
import sys
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_double, c_float, c_int, c_uint32, c_void_p
from pathlib import Path

ATOM_FLOAT, ATOM_INT = "http://lv2plug.in/ns/ext/atom#Float", "http://lv2plug.in/ns/ext/atom#Int"
URID, OPTIONS = "http://lv2plug.in/ns/ext/urid#", "http://lv2plug.in/ns/ext/options#options"
WORKER = "http://lv2plug.in/ns/ext/worker#schedule"
BLOCK_LENGTHS = (
    "http://lv2plug.in/ns/ext/buf-size#maxBlockLength",
    "http://lv2plug.in/ns/ext/buf-size#nominalBlockLength",
)
CONTROL_PORT = b"http://lv2plug.in/ns/lv2core#ControlPort"
PLAIN_AND_PORTABLE = 3
PORT_BYTES = 1 << 17  # of audio or events; as large as any host's


class Feature(Structure):
    """LV2_Feature."""

    _fields_ = (("uri", c_char_p), ("data", c_void_p))


class Option(Structure):
    """LV2_Options_Option."""

    _fields_ = (("context", c_int), ("subject", c_uint32), ("key", c_uint32), ("size", c_uint32), ("type", c_uint32),
                ("value", c_void_p))  # fmt: skip


class Descriptor(Structure):
    """LV2_Descriptor, but for its last member."""

    _fields_ = (("uri", c_char_p), ("instantiate", c_void_p), ("connect_port", CFUNCTYPE(None, c_void_p, c_uint32, c_void_p)),
                ("activate", CFUNCTYPE(None, c_void_p)), ("run", c_void_p), ("deactivate", CFUNCTYPE(None, c_void_p)),
                ("cleanup", CFUNCTYPE(None, c_void_p)))  # fmt: skip


class Instance(Structure):
    """LilvInstance."""

    _fields_ = (("descriptor", POINTER(Descriptor)), ("handle", c_void_p), ("own", c_void_p))


MapCall = CFUNCTYPE(c_uint32, c_void_p, c_char_p)
UnmapCall = CFUNCTYPE(c_void_p, c_void_p, c_uint32)
WorkCall = CFUNCTYPE(c_int, c_void_p, c_uint32, c_void_p)
ValueCall = CFUNCTYPE(c_void_p, c_char_p, c_void_p, POINTER(c_uint32), POINTER(c_uint32))


class Urids:
    """The numbers that stand for URIs, and the features that give them to a plug-in."""

    def __init__(self, block: int) -> None:
        self._names: list[ctypes.Array] = []
        self._map, self._unmap = MapCall(lambda _, uri: self.number(uri)), UnmapCall(self._name)
        self.map_pair = (c_void_p * 2)(None, ctypes.cast(self._map, c_void_p))
        self.unmap_pair = (c_void_p * 2)(None, ctypes.cast(self._unmap, c_void_p))
        self._work = WorkCall(lambda *_: 0)  # nothing runs here that could have work to do
        self._worker = (c_void_p * 2)(None, ctypes.cast(self._work, c_void_p))
        self._block = c_int(block)
        number = self.number
        options = [Option(0, 0, number(name.encode()), 4, number(ATOM_INT.encode()), ctypes.addressof(self._block))
                   for name in BLOCK_LENGTHS]  # fmt: skip
        self._options = (Option * 3)(*options, Option())
        pairs = (
            (URID + "map", self.map_pair),
            (URID + "unmap", self.unmap_pair),
            (OPTIONS, self._options),
            (WORKER, self._worker),
        )
        self._features = [Feature(uri.encode(), ctypes.addressof(data)) for uri, data in pairs]
        self.features = (c_void_p * 5)(*map(ctypes.addressof, self._features), None)

    def number(self, uri: bytes) -> int:
        """Return the number of a URI, a new one where it has none."""
        for place, name in enumerate(self._names):
            if name.value == uri:
                return place + 1
        self._names.append(ctypes.create_string_buffer(uri))
        return len(self._names)

    def _name(self, _: object, number: int) -> int:
        return ctypes.addressof(self._names[number - 1])


def lilv_functions() -> Callable[..., int]:
    """Return a function (name, *arguments) that calls lilv; pointers come back as numbers."""
    library = ctypes.CDLL("liblilv-0.so.0")

    def call(name: str, *arguments: object) -> int:
        function = getattr(library, name)
        function.restype = c_void_p
        return function(*(c_void_p(a) if isinstance(a, int) else a for a in arguments))

    return call


def main(bundle: Path, uri: str, rate: float, block: int, folder: Path, settings: dict[str, float]) -> None:
    """Write folder/state.ttl."""
    lilv, urids = lilv_functions(), Urids(block)
    world = lilv("lilv_world_new")
    lilv("lilv_world_load_bundle", world, lilv("lilv_new_file_uri", world, None, f"{bundle}/".encode()))
    plugin = lilv("lilv_plugins_get_by_uri", lilv("lilv_world_get_all_plugins", world),
                  lilv("lilv_new_uri", world, uri.encode()))  # fmt: skip
    made = lilv("lilv_plugin_instantiate", plugin, c_double(rate), byref(urids.features))
    assert made, f"{uri} does not start"
    instance = ctypes.cast(made, POINTER(Instance)).contents
    values, buffers = {}, []
    control = lilv("lilv_new_uri", world, CONTROL_PORT)
    for index in range(ctypes.cast(lilv("lilv_plugin_get_num_ports", plugin) or 0, c_void_p).value or 0):
        port = lilv("lilv_plugin_get_port_by_index", plugin, c_uint32(index))
        symbol = ctypes.string_at(lilv("lilv_node_as_string", lilv("lilv_port_get_symbol", plugin, port))).decode()
        buffers.append(ctypes.create_string_buffer(PORT_BYTES))
        if ctypes.cast(lilv("lilv_port_is_a", plugin, port, control) or 0, c_void_p).value:
            default = c_void_p()
            lilv("lilv_port_get_range", plugin, port, byref(default), None, None)
            library_float = ctypes.CDLL("liblilv-0.so.0").lilv_node_as_float
            library_float.restype = c_float
            start = library_float(default) if default.value else 0.0
            values[symbol.encode()] = c_float(settings.get(symbol, start))
            instance.descriptor.contents.connect_port(instance.handle, index, ctypes.addressof(values[symbol.encode()]))
        else:
            instance.descriptor.contents.connect_port(instance.handle, index, ctypes.addressof(buffers[-1]))
    unknown = set(settings) - {symbol.decode() for symbol in values}
    assert not unknown, f"no port {unknown}; there are {sorted(values)}"
    instance.descriptor.contents.activate(instance.handle)

    def value_of(symbol: bytes, _: object, size: "ctypes._Pointer[c_uint32]", kind: "ctypes._Pointer[c_uint32]") -> int:
        size[0], kind[0] = 4, urids.number(ATOM_FLOAT.encode())
        return ctypes.addressof(values[symbol])

    state = lilv("lilv_state_new_from_instance", plugin, made, byref(urids.map_pair), None, None, None, None, ValueCall(value_of),
                 None, c_uint32(PLAIN_AND_PORTABLE), byref(urids.features))  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    failed = lilv("lilv_state_save", world, byref(urids.map_pair), byref(urids.unmap_pair), state, None,
                  str(folder).encode(), b"state.ttl")  # fmt: skip
    assert not failed
    instance.descriptor.contents.deactivate(instance.handle)
    instance.descriptor.contents.cleanup(instance.handle)  # its stream at the server ends with it


if __name__ == "__main__":
    bundle, uri, rate, block, folder, *settings = sys.argv[1:]
    pairs = (word.partition("=") for word in settings)
    main(Path(bundle), uri, float(rate), int(block), Path(folder), {name: float(value) for name, _, value in pairs})
