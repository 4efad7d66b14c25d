// The live count, on whatever page shows it.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const number = new Intl.NumberFormat("en-US");

  function setText(node, text) {
    if (node && node.textContent !== text) node.textContent = text;
  }

  async function fetched(address) {
    const response = await fetch(address, { cache: "no-store" });
    if (response.redirected || response.status === 401) {
      location.assign(`/login?next=${location.pathname}`); // the session is over
      throw new Error("logged out");
    }
    return response;
  }

  const SAY_MS = 10000; // between two numbers that are read out
  const RETRY_MS = 5000;

  const live = { source: null, isPushed: false, polling: 0, retry: 0, said: 0, saying: 0 };

  function showLive(state) {
    const big = byId("visitors");
    const shown = number.format(state.visitors);
    if (big.textContent !== shown) {
      big.textContent = shown;
      big.classList.remove("ticked");
      requestAnimationFrame(() => big.classList.add("ticked"));
      sayLive();
    }
    setText(byId("week"), state.dates);
    for (const row of document.querySelectorAll("tr[data-week]")) {
      setText(row.querySelector("td"), number.format(state.weeks[row.dataset.week] ?? 0));
    }
    setText(byId("waiting"), number.format(state.waiting));
    setText(byId("dead-letters"), number.format(state.deadLetters));
  }

  function sayLive() {
    clearTimeout(live.saying);
    const wait = Math.max(0, live.said + SAY_MS - Date.now());
    live.saying = setTimeout(() => {
      live.said = Date.now();
      setText(byId("live-said"), `${byId("visitors").textContent} visitors this week`);
    }, wait);
  }

  function showFeed(state, text) {
    byId("feed").dataset.state = state;
    setText(byId("feed-text"), text);
  }

  function openFeed() {
    clearInterval(live.polling);
    clearTimeout(live.retry);
    live.source?.close();
    const source = new EventSource("/api/visitors/stream");
    live.source = source;
    source.onmessage = (event) => {
      if (source !== live.source) return;
      live.isPushed = true;
      clearInterval(live.polling);
      showFeed("live", "live");
      showLive(JSON.parse(event.data));
    };
    source.onerror = () => {
      if (source !== live.source) return;
      live.isPushed = false;
      source.close();
      showFeed("lost", "connection lost, trying again");
      clearInterval(live.polling);
      live.polling = setInterval(askLive, RETRY_MS / 2);
      live.retry = setTimeout(openFeed, RETRY_MS);
    };
  }

  function closeFeed() {
    live.source?.close();
    live.source = null;
    clearInterval(live.polling);
    clearTimeout(live.retry);
  }

  async function askLive() {
    try {
      const response = await fetched("/api/visitors/live");
      if (!response.ok) return;
      const state = await response.json();
      if (live.isPushed) return; // an answer from before the stream was back is older than it
      showLive(state);
      showFeed("lost", "asked for every few seconds");
    } catch {
      if (!live.isPushed) showFeed("lost", "connection lost, trying again");
    }
  }

  function wakeFeed() {
    closeFeed();
    if (!document.hidden) openFeed(); // a browser keeps six connections a host: hidden pages let theirs go
  }

  document.addEventListener("visibilitychange", wakeFeed);
  addEventListener("pagehide", closeFeed);
  wakeFeed();
})();
