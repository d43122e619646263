"""Where sound comes from: microphone, device, file, URL, raw PCM or array; all are equals."""
