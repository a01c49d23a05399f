"""How much anyone may ask of one server: the figures, once, each with its reason.

Whoever goes past one is told so in a sentence and nothing else happens: streams that run play on, other clients are answered. What
the layout of a message allows at most (samples, channels, bytes) is plugin_bridge.protocol's and plugin_bridge.slip's to say.
"""

# Streams and clients

MOST_STREAMS_IN_ALL = (
    64  # four engines of 16: more than a studio has tracks to listen to, and its status fits a datagram
)
MOST_STREAMS_A_CLIENT = 32  # half of all: one that opens and never closes leaves room for the others
MOST_SENDERS = 64  # whose commands are carried out at once, and TCP connections: each may have MOST_WAITING commands
MOST_LISTENERS = 64  # of /backline/notify: every event goes to each
MOST_VIEWERS = 8  # of one stream's spectrogram: its engine sends each frame to each, between blocks
MOST_SOCKETS = 16  # pages and OSCQuery clients: each is told 30 times a second
MOST_CONNECTIONS = 128  # HTTP, those that have asked nothing yet among them: a process may have 1024 files open
MOST_ADDRESSES = 1024  # one OSCQuery client listens to: 64 streams have fewer parameters
MOST_SOURCES = 8  # clients that pages have started: each is a process

# Rates, a second and a peer

COMMANDS_A_SECOND, COMMANDS_AT_ONCE = 2000, 2000
"""Carried out for one peer. Ten faders that send at 200 Hz; what comes faster waits, others go first, and MOST_WAITING may wait."""
MOST_WAITING = 256  # commands of one sender, and bundles of all, that wait at once
REFUSALS_A_SECOND, REFUSALS_AT_ONCE = 100, 512
"""Answered to one peer: a refusal of each of MOST_WAITING commands and bundles; a flood is not answered by a flood."""
REQUESTS_A_SECOND, REQUESTS_AT_ONCE = 200, 400
"""Of one machine over HTTP: a page asks for twelve files, an OSCQuery client for a tree of some milliseconds."""
LONGEST_PAUSE_SECONDS = 1.0  # that an HTTP request is held back for its rate; then it is refused
STRANGERS_A_SECOND = 10
"""Refusals of all who have not said the token: senders' addresses can be forged, and the answers go to whom they name."""
MOST_PEERS = 1024  # whose rates are remembered, and who have said the token; the one not heard for longest is forgotten
TOKEN_SECONDS = 5.0  # a TCP connection has until it has said the token

# Sizes

LARGEST_STRANGER = 1024  # bytes of a packet that may say the token: more is not even read
LONGEST_NAME = 100  # signs of a model's or a folder's name: file systems end at 255 bytes
LONGEST_SETTINGS = 16_384  # signs of a stream's settings: 30 parameters, of which texts have 400
LONGEST_ADDRESS = 256  # signs of an address that an OSCQuery client listens to
LONGEST_TEXT = 1000  # signs of an answer: a refusal must fit a datagram whatever was sent
LARGEST_MESSAGE = 1 << 16  # bytes of a WebSocket's message: what a datagram may have
