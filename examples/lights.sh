#!/usr/bin/env bash
# Hue and scene that follow the mood, with jq: lights.sh [ENDPOINT]. A line whenever they change.
# The range is that of the last ten minutes without their outer tenths; nothing for 3 s, silence
# and the end of the publisher bring the resting scene.
set -u

REST='scene rest  hue 40'
PROGRAM='
def place($value): sort as $s | (length / 10 | floor) as $tenth
  | ($s[$tenth]) as $low | ($s[-1 - $tenth]) as $high
  | .5 + ($value - ($low + $high) / 2) / ([$high - $low, .05] | max) | [0, ([1, .] | min)] | max;
foreach (inputs | select(.state != "degraded")) as $m
  ({warm: [range(10) | .2, .8], lively: [range(10) | -.2, .4], scene: "rest", since: 0};
   if $m.state == "silent" or $m.quadrant == null then .scene = "rest"
   else ($m.p_positive // ($m.valence + 1) / 2) as $positive
     | .warm = (.warm + [$positive])[-1200:] | .lively = (.lively + [$m.arousal])[-1200:]
     | (.lively | place($m.arousal)) as $a
     | (if $a > .65 then "party" elif $a < .35 then "quiet" else .scene end) as $wanted
     | .hue = 240 - 210 * (.warm | place($positive))
     | if .scene == "rest" or ($wanted != .scene and $m.t_publish - .since > 8)
       then .scene = ($wanted | sub("rest"; "quiet")) | .since = $m.t_publish else . end
   end;
   if .scene == "rest" then $rest else "scene \(.scene)  hue \((.hue / 10 | round) * 10)" end)'

send() { # tell your lights here: curl, oscsend, mosquitto_pub
  echo "$1"
}

shown=$REST
send "$shown"
streammer watch --json --connect "${1:-tcp://127.0.0.1:5580}" |
  jq -n -r --unbuffered --arg rest "$REST" "$PROGRAM" |
  while true; do
    read -r -t 3 wanted
    code=$?
    [ "$code" -eq 0 ] || wanted=$REST
    [ "$wanted" = "$shown" ] || send "$wanted"
    shown=$wanted
    [ "$code" -eq 0 ] || [ "$code" -gt 128 ] || exit 0 # the watcher has ended
  done
