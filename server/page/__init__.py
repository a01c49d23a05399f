"""The page and the OSC address space over HTTP, on one port of the control process.

shared pages of the engines -> sight (a stream as it is seen) -> browser (one page that is open), listener (one OSCQuery client)
app: the HTTP server in front of both; guard: who may ask; sources: what a page starts; files/: the page itself
"""
