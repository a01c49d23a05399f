-- What tests/plugin/test_ardour.py has Ardour do, on Ardour's own dummy device: `make` a session, or `open` one.
--
-- make: an audio track that has recorded SECONDS of nothing, a plug-in on it, and a MIDI track that its notes go to.
-- open: load it and say where the transport is, a line every 50 ms, until the file STOP is there. All else is done over OSC.

local what, folder, seconds = os.getenv("WHAT"), os.getenv("FOLDER"), tonumber(os.getenv("SECONDS"))
local alone = PBD.GroupControlDisposition.NoGroup

local function wait(some) ARDOUR.LuaAPI.usleep(some * 1e6) end

local function say(words) print(words) io.stdout:flush() end

local function device(speed)
	local backend = AudioEngine:set_backend("None (Dummy)", "", "")
	assert(backend:set_driver(speed) == 0 and backend:set_sample_rate(48000) == 0 and backend:set_buffer_size(256) == 0)
end

local function make()
	device("20x Speed")
	local session = create_session(folder, "session", 48000)
	local first, normal = ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal
	session:new_audio_track(2, 2, nil, 1, "audio", first, normal, true)
	local midi = ARDOUR.ChanCount(ARDOUR.DataType("midi"), 1)
	session:new_midi_track(midi, midi, true, ARDOUR.PluginInfo(), nil, nil, 1, "notes", first, normal, false)
	local audio, notes = session:route_by_name("audio"), session:route_by_name("notes")

	audio:to_track():rec_enable_control():set_value(1, alone)
	wait(0.3)
	session:maybe_enable_record(false)
	session:request_roll(ARDOUR.TransportRequestSource.TRS_UI)
	while session:transport_sample() < 48000 * seconds do wait(0.02) end
	session:request_stop(false, false, ARDOUR.TransportRequestSource.TRS_UI)
	wait(0.5)
	session:disable_record(false, false)
	audio:to_track():rec_enable_control():set_value(0, alone)
	audio:to_track():monitoring_control():set_value(2, alone) -- from disk

	local plugin = ARDOUR.LuaAPI.new_plugin(session, os.getenv("PLUGIN"), ARDOUR.PluginType.LV2, "")
	assert(not plugin:isnil(), "Ardour does not know the plug-in")
	assert(audio:add_processor_by_index(plugin, 0, nil, true) == 0)
	wait(0.5)
	assert(AudioEngine:connect("audio/midi_out 1", "notes/midi_in 1") == 0)
	notes:to_track():rec_enable_control():set_value(1, alone)
	wait(0.2)
	session:save_state("")
	wait(0.5)
	close_session()
	say("made")
end

local function open()
	device("Normal Speed")
	local session = load_session(folder, "session")
	local audio = session:route_by_name("audio")
	local stop
	repeat
		wait(0.05)
		say(string.format("AT [%d, %s, %d]", session:transport_sample(), session:transport_rolling(), audio:signal_latency()))
		stop = io.open(folder .. "/STOP")
	until stop
	stop:close()
	close_session()
end

if what == "make" then make() else open() end
