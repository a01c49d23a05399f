-- Keep what I just played: the last two minutes of a Backline stream, as a MIDI and an audio item where they were played.
--
-- Actions, New action, Load ReaScript. It runs `backline keep`, so Backline must be installed and its server running, which the
-- plug-in sees to. While REAPER plays or records, what was just heard ends at the play position; otherwise it begins at the edit cursor.

local BACKLINE = "backline" -- or the whole path, for instance /home/me/.venv/bin/backline
local PATIENCE = 60000 -- milliseconds

local function keep(folder)
	local said = reaper.ExecProcess(string.format('"%s" keep -o "%s"', BACKLINE, folder), PATIENCE)
	if not said then return nil, BACKLINE .. " does not start, or does not answer" end
	local code, words = said:match("^(%-?%d+)\n(.*)$")
	if code ~= "0" then return nil, words end
	local midi, audio = words:match("([^\r\n]+%.mid)[\r\n]+([^\r\n]+%.wav)")
	if not midi then return nil, "no files: " .. words end
	return { midi = midi, audio = audio }
end

local function length(path)
	local source = reaper.PCM_Source_CreateFromFile(path)
	local seconds = reaper.GetMediaSourceLength(source)
	reaper.PCM_Source_Destroy(source)
	return seconds
end

local heard_until = reaper.GetPlayState() % 2 == 1 and reaper.GetPlayPosition() or nil -- before the files are written
local kept, reason = keep(reaper.GetProjectPath())
if not kept then
	reaper.ShowMessageBox(reason, "Backline", 0)
	return
end

local place = heard_until and math.max(0, heard_until - length(kept.audio)) or reaper.GetCursorPosition()
reaper.Undo_BeginBlock()
for _, path in ipairs({ kept.midi, kept.audio }) do
	reaper.SetEditCurPos(place, false, false)
	reaper.InsertMedia(path, 1) -- on a track of its own
end
reaper.SetEditCurPos(place, false, false)
reaper.Undo_EndBlock("Backline: keep what I just played", -1)
