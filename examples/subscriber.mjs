// Print the mood of the music: npm install zeromq && node subscriber.mjs [ENDPOINT [COUNT]]
import { Subscriber } from "zeromq";

const [endpoint = "tcp://127.0.0.1:5580", count = Infinity] = process.argv.slice(2);
const bus = new Subscriber({ heartbeatInterval: 1000, heartbeatTimeout: 3000 });
bus.connect(endpoint);
bus.subscribe("mood/main");
let seen = 0;
for await (const [topic, body] of bus) {
  if (topic.toString() !== "mood/main") continue; // "mood/main2" begins alike
  const mood = JSON.parse(body);
  console.log(`${mood.t_audio_s} s: ${mood.valence}, ${mood.arousal}, ${mood.state}`);
  if (++seen >= count) break;
}
