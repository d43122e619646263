// The sound of the stream, where the server plays a file of its own (the demo): in step with the mood.

const APART_S = 0.25; // closer than this to where it belongs, it is left alone

export class Sound {
  #store;
  #button = document.getElementById("sound");
  #audio = null;
  #at = null; // {t, since}: place in the sound, and when it was there

  constructor(store) {
    this.#store = store;
    this.#button.onclick = () => (this.#audio ? this.#stop() : this.#play());
    store.addEventListener("hello", () => { this.#button.hidden = !store.plays; });
    store.addEventListener("mood", ({ detail: { mood } }) => this.#follow(mood));
    store.addEventListener("stale", ({ detail }) => detail.stale && this.#stop());
    store.addEventListener("lost", () => this.#stop());
  }

  async #play() {
    const answer = await fetch("/sound").catch(() => null);
    if (!answer?.ok || this.#audio) return;
    // As a whole: from there any place can be played at once.
    this.#audio = new Audio(URL.createObjectURL(await answer.blob()));
    this.#say(true);
    await this.#audio.play().then(() => this.#step(), () => this.#stop());
  }

  #follow(mood) {
    if (mood.stream !== this.#store.selected) return;
    this.#at = { t: mood.t_audio_s, since: performance.now() };
    if (mood.state === "ended") this.#stop();
    else this.#step();
  }

  /** Move to where the stream is, if we are elsewhere. */
  #step() {
    if (!this.#audio || !this.#at) return;
    const wanted = this.#at.t + (performance.now() - this.#at.since) / 1000;
    if (Math.abs(this.#audio.currentTime - wanted) > APART_S) this.#audio.currentTime = wanted;
  }

  #stop() {
    if (!this.#audio) return;
    this.#audio.pause();
    URL.revokeObjectURL(this.#audio.src);
    this.#audio = null;
    this.#say(false);
  }

  #say(on) {
    this.#button.setAttribute("aria-pressed", String(on));
  }
}
