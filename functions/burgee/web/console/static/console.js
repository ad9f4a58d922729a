// The console's script: signs in, loads fragments with the key that it keeps in memory, and handles keys and dialogs.
// It stores no key and no data; the only thing kept is whether single keys are off.
"use strict";
(() => {
  const page = document.documentElement;
  const root = page.dataset.root;
  const isOpen = "open" in page.dataset;
  const find = (selector, from = document) => from.querySelector(selector);
  const every = (selector, from = document) => [...from.querySelectorAll(selector)];
  const main = find("#main"), side = find("#side"), dialog = find("#dialog"), palette = find("#palette");
  const frame = find(".frame"), door = find(".door:not(noscript *)"), live = find("#live");
  const console_ = `${root}/console/`, fragments = `${root}/fragments/`;
  const SKELETON_AFTER = 300, FRAME_EVERY = 30000;
  let token = "", signedIn = false, going = false, waiting = 0, pressed = "";
  let held = null; // what was typed when the sign-in ended

  // Loading ---------------------------------------------------------------------------------------------------------
  const keyring = new Map(); // tokens by environment, in memory alone
  const environmentOf = (given) => (given.match(/^burgee_admin_[^/]+\/([^_]+(?:_[^_]+)*)_[0-9a-f]{16}_/) || ["", ""])[1];

  function headers() {
    if (!token) return {};
    const others = [...keyring.values()].filter((one) => one !== token).join(" ");
    return { Authorization: `Bearer ${token}`, ...(others && { "X-Burgee-Keys": others }) };
  }

  const fragmentHere = () => fragments + (location.pathname.slice(console_.length) || "flags") + location.search;

  // Each place has one request at a time, and the newest one wins. What fails is shown there by the handlers below.
  function load(url, selector) {
    const place = find(selector);
    htmx.trigger(place, "htmx:abort");
    return htmx.ajax("GET", url, { source: place, target: place, swap: "innerHTML" }).catch(() => undefined);
  }

  function show() {
    dialog.close();
    palette.close();
    clearTimeout(waiting);
    waiting = setTimeout(() => main.replaceChildren(find("#loading").content.cloneNode(true)), SKELETON_AFTER);
    main.setAttribute("aria-busy", "true");
    return load(fragmentHere(), "#main").finally(() => {
      clearTimeout(waiting);
      main.removeAttribute("aria-busy");
    });
  }

  function go(url) {
    if (url !== location.pathname + location.search) history.pushState(null, "", url);
    going = true;
    show();
  }

  function again() {
    load(`${fragments}frame`, "#side");
    return show();
  }

  // The head of a page names it, and gets the focus after a visit.
  function arrived() {
    const top = find(".top", main);
    document.title = top && top.dataset.title ? `${top.dataset.title} - Burgee` : "Burgee";
    current();
    if (going) {
      window.scrollTo(0, 0);
      const heading = find("h1", main);
      if (heading) heading.focus({ preventScroll: true });
    }
    going = false;
  }

  // Marks the screen in the navigation.
  function current() {
    const name = (location.pathname.slice(console_.length) || "flags").split("/")[0];
    for (const link of every("[data-screen]")) {
      if (link.dataset.screen === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  // Who may not read has one screen; the address of a flag leads to it with the flag's name.
  function only() {
    const link = find("[data-only]", side);
    find("[data-find]").hidden = Boolean(link);
    if (!link || link.hasAttribute("aria-current")) return;
    const flag = location.pathname.match(/\/flags\/([^/]+)$/);
    go(link.pathname + (flag ? `?flag=${flag[1]}` : ""));
  }

  // Problems --------------------------------------------------------------------------------------------------------
  const TITLES = {
    0: "The service does not answer",
    403: "Your key may not do this",
    404: "There is no such thing",
    429: "Too many requests",
    503: "The store does not answer",
  };

  async function problemOf(response) {
    try {
      return await response.json();
    } catch {
      return { status: response.status, detail: `the answer was ${response.status}` };
    }
  }

  function parsed(xhr) {
    try {
      return JSON.parse(xhr.responseText);
    } catch {
      return { status: xhr.status, detail: xhr.status ? `the answer was ${xhr.status}` : "" };
    }
  }

  function sentence(text) {
    return text ? text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".") : "";
  }

  function card(problem, request) {
    const made = find("#problem").content.cloneNode(true);
    find("h1", made).textContent = TITLES[problem.status || 0] || sentence(problem.title || "This did not work");
    find(".what", made).textContent =
      sentence(problem.detail) || "Users go on getting what they got. Nothing can be seen or changed from here now.";
    find(".more", made).textContent = request ? `Request ${request}` : "";
    return made;
  }

  document.addEventListener("htmx:responseError", (event) => {
    const { xhr, target } = event.detail;
    const problem = parsed(xhr);
    if (xhr.status === 401) return ended(problem);
    if (target === side || !target) return undefined;
    if (target.id === "effect" && xhr.status === 429) return setTimeout(() => compute(target.closest("form")), 700);
    return failed(target, card(problem, xhr.getResponseHeader("X-Request-Id")));
  });
  document.addEventListener("htmx:sendError", (event) => {
    if (event.detail.target && event.detail.target !== side) failed(event.detail.target, card({ status: 0 }));
  });

  // Shows a problem where the answer would have been; an effect that failed leaves what was typed beside it.
  function failed(target, made) {
    if (target === dialog && !dialog.open) dialog.showModal();
    if (target.id === "effect") {
      target.removeAttribute("aria-busy");
      find("[data-label]", target.closest("form")).textContent = "Not yet";
    }
    target.replaceChildren(made);
  }

  // Signing in ------------------------------------------------------------------------------------------------------
  function enter() {
    signedIn = true;
    door.hidden = true;
    frame.hidden = false;
    document.body.className = "";
    load(`${fragments}frame`, "#side");
    going = true;
    return show().then(restore);
  }

  // What was typed survives a sign-in that ends meanwhile, in memory; the page, the dialog and its effect are fetched again.
  const FIELDS = "[name]:not([type=hidden])";
  const inPage = () => every(`form:not([data-filter]) ${FIELDS}`, main);
  const typed = (fields) => fields.map((one) => [one.name, one.value, one.checked]);
  const edited = (one) => one.value !== (one.defaultValue ?? one.value) || one.checked !== one.defaultChecked;

  function hold() {
    const form = dialog.open && dialog.dataset.url && find("form[data-act]", dialog);
    if (!form && !inPage().some(edited)) return;
    held = { path: location.pathname, page: typed(inPage()) };
    if (form) Object.assign(held, { url: dialog.dataset.url, dialog: typed(every(FIELDS, form)) });
  }

  function refill(fields, kept) {
    for (const field of fields) {
      const choice = field.type === "radio" || field.type === "checkbox";
      const was = kept.find(([name, value]) => name === field.name && (!choice || value === field.value));
      if (!was || field.disabled) continue;
      if (choice) field.checked = was[2];
      else field.value = was[1];
    }
  }

  async function restore() {
    const kept = held;
    held = null;
    if (!kept || kept.path !== location.pathname) return;
    refill(inPage(), kept.page);
    if (kept.url) {
      await open(kept.url);
      const form = find("form[data-act]", dialog);
      if (form) refill(every(FIELDS, form), kept.dialog);
      if (form && "stale" in form.dataset) compute(form);
    }
    live.textContent = "What you had typed is here again; nothing was done yet";
  }

  // API Gateway refuses a token without a detail.
  const ended = (problem) => signOut(problem.detail || "your sign-in ended; sign in again");

  function signOut(why) {
    if (!why) held = null;
    else if (signedIn) hold();
    token = "";
    keyring.clear();
    signedIn = false;
    main.replaceChildren();
    side.replaceChildren();
    dialog.close();
    palette.close();
    frame.hidden = true;
    door.hidden = false;
    document.body.className = "is-out";
    document.title = "Sign in - Burgee";
    find("#key-fault").textContent = why ? sentence(why) + (held ? " What you typed is here again after you sign in." : "") : "";
    (find("#company") || find("#key")).focus();
  }

  // A key that the service accepts is kept; `accepted` is called with it.
  async function offer(form, accepted) {
    const field = find("[name=key]", form), fault = find("[role=alert]", form), button = find("[type=submit]", form);
    const given = field.value.trim();
    fault.textContent = "";
    field.removeAttribute("aria-invalid");
    const refuse = (why) => {
      fault.textContent = sentence(why);
      field.setAttribute("aria-invalid", "true");
      field.focus();
    };
    if (!given) return refuse("a key is needed");
    if (/^burgee_(client|server)_/.test(given)) return refuse("this is not an admin key, and does not open the console");
    button.disabled = true;
    try {
      const response = await fetch(`${fragments}frame`, { headers: { Authorization: `Bearer ${given}` } });
      if (!response.ok) return refuse((await problemOf(response)).detail);
    } catch {
      return refuse("the service does not answer");
    } finally {
      button.disabled = false;
    }
    field.value = "";
    keyring.set(environmentOf(given), given);
    return accepted(given);
  }

  document.addEventListener("submit", (event) => {
    if (event.target.id === "door") {
      event.preventDefault();
      offer(event.target, (given) => {
        token = given;
        enter();
      });
    } else if (event.target.matches("[data-named]")) {
      event.preventDefault();
      const name = find("input", event.target).value.trim();
      if (name) open(event.target.dataset.named.replace("*", encodeURIComponent(name)));
    } else if (event.target.id === "another-key") {
      event.preventDefault();
      offer(event.target, () => {
        dialog.close();
        again();
      });
    }
  });

  // With an account of a company: OpenID Connect with PKCE. Only verifier and state are stored, until the return. Where
  // something was typed, the page stays: it signs in through a window of its own, which returns the code to it.
  const PENDING = "burgee.sign-in", ACCEPTED_WITHIN = 2000;
  const callback = `${location.origin}${console_}signed-in`;
  const encoded = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const random = (size) => encoded(crypto.getRandomValues(new Uint8Array(size)));
  const windows = new BroadcastChannel("burgee.sign-in"); // an issuer may part a window from the one that opened it
  let begun = null; // the sign-in through a window of its own
  let blocked = false;

  async function leave() {
    const sign = { verifier: random(32), state: random(16), back: location.pathname + location.search };
    const other = held && window.open("", "_blank", "popup,width=500,height=700");
    if (held && !other && !blocked) {
      blocked = true;
      find("#key-fault").textContent =
        "Your browser blocked the window for signing in. Allow windows of this page and sign in again; without one, the next try forgets what you typed.";
      return undefined;
    }
    if (other) {
      other.opener = null;
      begun = sign;
    } else sessionStorage.setItem(PENDING, JSON.stringify(sign));
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(sign.verifier));
    const { authorize, client, scope, audience } = page.dataset;
    const query = new URLSearchParams({
      response_type: "code",
      client_id: client,
      redirect_uri: callback,
      scope,
      state: sign.state,
      code_challenge: encoded(new Uint8Array(digest)),
      code_challenge_method: "S256",
      ...(audience && { audience }),
    });
    return (other || window).location.assign(`${authorize}${authorize.includes("?") ? "&" : "?"}${query}`);
  }

  function returned() {
    const { search } = location;
    const sign = JSON.parse(sessionStorage.getItem(PENDING) || "null");
    sessionStorage.removeItem(PENDING);
    const given = new URLSearchParams(search), own = sign && given.get("state") === sign.state;
    history.replaceState(null, "", (own && sign.back) || `${console_}flags`);
    if (own) return finish(given, sign.verifier);
    const strange = setTimeout(() => signOut("this sign-in was not begun in this tab; begin again"), ACCEPTED_WITHIN);
    windows.onmessage = ({ data }) => {
      if (data.accepted !== given.get("state")) return;
      clearTimeout(strange);
      window.close();
      door.hidden = false; // where a browser leaves closing it to its user
      find("#company").hidden = true;
      find("#door-note").textContent = "You are signed in where you began. This window can be closed.";
    };
    return windows.postMessage({ search });
  }

  windows.onmessage = ({ data }) => {
    const given = new URLSearchParams(data.search);
    if (!begun || given.get("state") !== begun.state) return;
    const { verifier } = begun;
    begun = null;
    windows.postMessage({ accepted: given.get("state") });
    finish(given, verifier);
  };

  async function finish(given, verifier) {
    if (!given.get("code")) return signOut(given.get("error_description") || given.get("error") || "the sign-in was not finished");
    const body = new URLSearchParams({
      grant_type: "authorization_code",
      code: given.get("code"),
      redirect_uri: callback,
      client_id: page.dataset.client,
      code_verifier: verifier,
    });
    try {
      const response = await fetch(page.dataset.token, { method: "POST", body, credentials: "omit" });
      token = response.ok ? (await response.json()).access_token || "" : "";
    } catch {
      token = "";
    }
    return token ? enter() : signOut("the issuer gave no token; begin again");
  }

  // Requests of htmx ------------------------------------------------------------------------------------------------
  htmx.defineExtension("json", {
    onEvent: (name, event) => {
      if (name === "htmx:configRequest") event.detail.headers["Content-Type"] = "application/json";
    },
    encodeParameters: (xhr, parameters) => {
      xhr.overrideMimeType("text/html");
      return JSON.stringify(Object.fromEntries(parameters));
    },
  });
  document.addEventListener("htmx:configRequest", (event) => {
    Object.assign(event.detail.headers, headers());
    // A filter is part of the page's address.
    if (event.detail.elt.closest("[data-filter]")) {
      const query = new URLSearchParams();
      for (const [name, value] of event.detail.formData) if (value && value !== "all") query.set(name, value);
      history.replaceState(null, "", location.pathname + (query.size ? `?${query}` : ""));
    }
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const target = event.detail.target;
    if (target.id === "effect") computed(target);
    if (target === main) arrived();
    if (target === side) current(), only();
    if (target === dialog && !dialog.open) dialog.showModal();
    if (target === dialog && find("form[data-stale]", dialog)) modes(find("form[data-stale]", dialog));
    const said = find("[data-live]", target);
    if (said) live.textContent = said.dataset.live;
    if (target.contains(document.activeElement)) return;
    const wanted = find("[autofocus]", target);
    if (wanted) wanted.focus();
  });

  // Writes: a form with `data-act` sends what its effect was computed for to the API, and shows the result. -----
  function identifier() {
    return [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");
  }

  function sent(form) {
    const body = JSON.parse(form.dataset.body || "{}");
    for (const field of every("[data-send]", form)) {
      if (field.closest("[hidden]")) continue;
      if ((field.type === "radio" || field.type === "checkbox") && !field.checked) continue;
      const value = field.value.trim();
      if (!value) continue;
      if (field.dataset.send === "list") (body[field.name] ||= []).push(value);
      else body[field.name] = field.dataset.send === "lines" ? value.split(/\s*\n\s*/) : value;
    }
    return body;
  }

  function faults(form, problem) {
    for (const field of every("[aria-invalid]", form)) field.removeAttribute("aria-invalid");
    for (const place of every("[data-fault]", form)) place.textContent = "";
    let first = null;
    const rest = [];
    for (const one of problem.errors || []) {
      const name = one.pointer.split("/")[1];
      const place = name && find(`[data-fault="${CSS.escape(name)}"]`, form);
      if (!place) {
        rest.push(`${one.pointer} ${one.detail}`);
        continue;
      }
      place.textContent = sentence(one.detail);
      const field = find(`[name="${CSS.escape(name)}"]`, form);
      if (field) field.setAttribute("aria-invalid", "true");
      first ||= field;
    }
    const general = find("[data-fault='']", form);
    if (general && !first) general.textContent = sentence(rest.join("; ") || problem.detail);
    if (first) first.focus();
  }

  async function act(form) {
    const button = find("button[type=submit]:not([hidden])", form);
    if (button && (button.disabled || button.getAttribute("aria-disabled") === "true")) return;
    for (const field of every("[data-needed]", form)) {
      if (!field.value.trim() && field.checkVisibility()) {
        return faults(form, { errors: [{ pointer: `/${field.name}`, detail: field.dataset.needed }] });
      }
    }
    form.dataset.once ||= identifier();
    const options = { method: form.dataset.method || "POST", headers: { ...headers(), "Idempotency-Key": form.dataset.once } };
    if (form.dataset.etag) options.headers["If-Match"] = form.dataset.etag;
    const body = sent(form);
    if (options.method === "DELETE") {
      const reason = (body.reason || "").replace(/\s+/g, " ");  // header fields hold Latin-1
      if (reason) options.headers["X-Burgee-Reason"] = /^[ -~\xa0-\xff]*$/.test(reason) ? reason : encodeURI(reason);
    } else {
      options.headers["Content-Type"] = "application/json";
      options.body = JSON.stringify(body);
    }
    if (button) button.disabled = true;
    form.setAttribute("aria-busy", "true");
    let response;
    try {
      response = await fetch(root + form.dataset.act, options);
    } catch {
      faults(form, { detail: "the service does not answer; sending it again is safe: it acts once" });
      return;
    } finally {
      if (button) button.disabled = false;
      form.removeAttribute("aria-busy");
    }
    if (response.status === 401) return ended(await problemOf(response));
    if (response.status === 412 && "stale" in form.dataset) {
      delete form.dataset.once;
      return compute(form, true);
    }
    if (!response.ok) {
      delete form.dataset.once;
      return faults(form, await problemOf(response));
    }
    return became(form, response);
  }

  async function became(form, response) {
    const answer = response.status === 204 ? {} : await response.json();
    const then = find("template[data-then]", form);
    load(`${fragments}frame`, "#side");
    if (then) {
      const made = then.content.cloneNode(true);
      for (const place of every("[data-answer]", made)) place.textContent = answer[place.dataset.answer] ?? place.textContent;
      dialog.replaceChildren(made);
      dialog.dataset.acted = "";
      if (!dialog.open) dialog.showModal();
      const wanted = find("[autofocus]", dialog);
      if (wanted) wanted.focus();
    } else if (form.dataset.done) {
      dialog.dataset.acted = "";
      const url = new URL(root + form.dataset.done, location.origin);
      if (form.dataset.act === "/proposals") url.searchParams.set("id", answer.id);
      load(url.pathname + url.search, "#dialog");
    } else {
      dialog.close();
      again();
    }
  }

  // A dialog's effect is computed again after each change of a field; until it is there nothing can be sent.
  let computing = 0;
  function compute(form, stale = false) {
    clearTimeout(computing);
    const place = find("#effect", form), field = find("[name=stale]", form);
    if (field) field.remove();
    if (stale) {
      const made = document.createElement("input");
      Object.assign(made, { type: "hidden", name: "stale", value: "true" });
      form.append(made);
    }
    place.setAttribute("aria-busy", "true");
    modes(form);
    label(form, false);
    computing = setTimeout(() => {
      htmx.trigger(place, "htmx:abort");
      htmx.trigger(place, "recompute");
    }, stale ? 0 : 300);
  }

  function modes(form) {
    const mode = (find("[name=mode]:checked", form) || find("[name=mode]", form) || {}).value;
    for (const part of every("[data-mode]", form)) part.hidden = part.dataset.mode !== mode;
    return mode;
  }

  function label(form, ready) {
    const button = find("[data-waits]", form), mode = modes(form);
    const end = find("[name=expires_in]:checked", form);
    const words = mode === "propose" ? button.dataset.propose : [button.dataset.now, end && end.dataset.words].filter(Boolean).join(" ");
    find("[data-label]", button).textContent = ready ? words : "Computing…";
    button.disabled = !ready;
  }

  function computed(place) {
    const form = place.closest("form"), ready = find("[data-ready]", place);
    place.removeAttribute("aria-busy");
    for (const field of every("[data-field-fault]", form)) field.textContent = "";
    for (const field of every("[data-effect]", form)) field.removeAttribute("aria-invalid");
    if (!ready) {
      for (const fault of every("[data-field]", place)) {
        const spot = fault.dataset.field && find(`[data-field-fault="${CSS.escape(fault.dataset.field)}"]`, form);
        if (!spot) continue;
        spot.textContent = [spot.textContent, sentence(fault.textContent)].filter(Boolean).join(" ");
        find(`[name="${CSS.escape(fault.dataset.field)}"]`, form).setAttribute("aria-invalid", "true");
        fault.remove();
      }
      find("[data-label]", form).textContent = "Not yet";
      return;
    }
    const { act, method, etag, body, done } = ready.dataset;
    Object.assign(form.dataset, { act, method, etag, body, ...(done && { done }) });
    label(form, true);
  }

  const dialogForm = (element) => element.closest("#dialog form[data-stale]");
  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, (event) => {
      const form = dialogForm(event.target);
      if (!form) return;
      if (event.target.matches("[data-effect]")) {
        if (kind === "change" && event.target.matches("textarea, input:not([type=radio])")) return;
        delete form.dataset.once;
        compute(form);
      } else if (event.target.name === "expires_in") {
        label(form, Boolean(find("[data-ready]", form)) && !find("#effect[aria-busy]", form));
      }
    });
  }

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-act]");
    if (!form) return;
    event.preventDefault();
    act(form);
  });

  // Links and dialogs -----------------------------------------------------------------------------------------------
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) {
      event.preventDefault();
      palette.close();
      return opener.closest(".tabs") ? turnTo(opener.dataset.dialog) : open(opener.dataset.dialog);
    }
    const place = event.target.closest("[data-href]");
    if (place) {
      palette.close();
      return go(place.dataset.href);
    }
    if (event.target.closest("[data-close]") || event.target === dialog || event.target === palette) {
      event.preventDefault();
      (palette.open ? palette : dialog).close();
      return undefined;
    }
    if (event.target.closest("#effect [data-again]")) return compute(dialogForm(event.target));
    if (event.target.closest("[data-again]")) return again();
    if (event.target.closest("[data-find]")) return openPalette();
    if (event.target.closest("[data-keys]")) return openKeys();
    if (event.target.closest("#company")) return leave();
    if (event.target.closest("[data-out]")) return signOut("");
    const other = event.target.closest("[data-switch]");
    if (other) {
      token = keyring.get(other.dataset.switch) || token;
      return again();
    }
    if (event.target.closest("[data-add]")) {
      palette.close();
      dialog.replaceChildren(find("#another").content.cloneNode(true));
      return dialog.showModal();
    }
    const copied = event.target.closest("[data-copy]");
    if (copied) return copy(copied);
    const link = event.target.closest("a[href]");
    const plain = !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button);
    if (!link || !plain || link.target || link.origin !== location.origin) return undefined;
    if (!link.pathname.startsWith(console_) || link.pathname.startsWith(`${console_}static/`)) return undefined;
    event.preventDefault();
    palette.close();
    return go(link.pathname + link.search);
  });
  window.addEventListener("popstate", () => {
    if (!signedIn) return;
    going = true;
    show();
  });

  function open(url) {
    dialog.replaceChildren();
    dialog.dataset.url = url;
    return load(root + url, "#dialog");
  }

  // A dialog's tabs share what was typed; a field that is one tab's own (data-own) is as it was when that tab comes back.
  const drafts = new Map();
  async function turnTo(url) {
    const fields = every(FIELDS, dialog), own = fields.filter((one) => "own" in one.dataset && edited(one));
    const shared = typed(fields.filter((one) => !("own" in one.dataset)));
    drafts.set(find(".tabs [aria-current]", dialog).dataset.dialog, typed(own));
    drafts.set("", [...shared, ...(drafts.get("") || []).filter(([name]) => !shared.some((one) => one[0] === name))]);
    await open(url);
    const form = find("form[data-act]", dialog);
    if (!form) return;
    refill(every(FIELDS, form), [...(drafts.get(url) || []), ...drafts.get("").filter(([name]) => !form.elements[name]?.matches?.("[data-own]"))]);
    if ("stale" in form.dataset) compute(form);
  }

  dialog.addEventListener("close", () => {
    drafts.clear();
    dialog.replaceChildren();
    if ("acted" in dialog.dataset) {
      delete dialog.dataset.acted;
      again();
    }
  });

  async function copy(button) {
    const text = button.dataset.copy || find(button.dataset.copyFrom).textContent;
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      said = "Select and copy it by hand: the browser forbids this";
    }
    button.textContent = said;
    live.textContent = said;
  }

  // Keys ------------------------------------------------------------------------------------------------------------
  const store = (value) => {
    try {
      if (value === undefined) return localStorage.getItem("burgee.keys") !== "off";
      localStorage.setItem("burgee.keys", value ? "on" : "off");
    } catch {
      // A browser may forbid storage: then single keys are on.
    }
    return value ?? true;
  };
  const inField = (target) => target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]");

  function openKeys() {
    dialog.replaceChildren(find("#keys").content.cloneNode(true));
    find("[data-single]", dialog).checked = store();
    if (!dialog.open) dialog.showModal();
  }
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-single]")) store(event.target.checked);
  });

  function step(by) {
    const rows = every("[data-row]", main);
    if (!rows.length) return false;
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const next = rows[Math.min(Math.max(at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by, 0), rows.length - 1)];
    find("a, button", next).focus();
    next.scrollIntoView({ block: "nearest" });
    return true;
  }

  function turn(by) {
    const all = every("[data-environment]");
    const at = all.findIndex((one) => one.hasAttribute("aria-current"));
    if (at >= 0 && all[at + by]) all[at + by].click();
    return all.length > 0;
  }

  // The elements that a key may press: those of the open dialog, else of the focused row, else of the page.
  function target(key) {
    const selector = `[data-key="${CSS.escape(key)}"]`;
    if (dialog.open) return find(selector, dialog);
    const row = document.activeElement && document.activeElement.closest("[data-row]");
    return (row && find(selector, row)) || find(`:not([data-row] *)${selector}`, main) || find(selector, side);
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || !signedIn) return;
    const command = event.ctrlKey || event.metaKey;
    if (command && event.key.toLowerCase() === "k") {
      event.preventDefault();
      openPalette();
    } else if (command && event.key === "Enter" && dialog.open) {
      const form = find("form[data-act]", dialog);
      if (form) {
        event.preventDefault();
        form.requestSubmit();
      }
    } else if (palette.open) {
      paletteKey(event);
    } else if (event.key === "Escape" && !dialog.open && inField(event.target)) {
      event.target.blur(); // single keys work again
    } else if (event.key === "ArrowDown" && !dialog.open && event.target.matches("[data-search]")) {
      if (step(1)) event.preventDefault();
    } else if (!command && !event.altKey && !inField(event.target) && store() && single(event.key)) {
      event.preventDefault();
    }
  });

  function single(key) {
    const before = pressed;
    pressed = key === "g" ? "g" : "";
    if (before === "g" && !dialog.open) {
      const link = find(`[data-go="${CSS.escape(key)}"]`);
      if (link) link.click();
      return Boolean(link);
    }
    if (!dialog.open) {
      if (key === "j") return step(1);
      if (key === "k") return step(-1);
      if (key === "[") return turn(-1);
      if (key === "]") return turn(1);
      if (key === "?") return openKeys() ?? true;
      if (key === "/") {
        const search = find("[data-search]", main);
        if (search) search.select();
        return Boolean(search);
      }
    }
    if (key.length !== 1) return false;
    const wanted = target(key);
    if (!wanted) return false;
    if (wanted.matches("input:not([type=radio]), textarea")) wanted.select();
    else wanted.click();
    return true;
  }

  // Find or do ------------------------------------------------------------------------------------------------------
  function openPalette() {
    if (!signedIn || palette.open || find("[data-find]").hidden) return;
    dialog.close();
    load(`${fragments}find`, "#palette").then(() => palette.open || palette.showModal());
  }

  function paletteKey(event) {
    const options = every("[role=option]", palette);
    const at = options.findIndex((one) => one.getAttribute("aria-selected") === "true");
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && options.length) {
      event.preventDefault();
      choose(options, (at + by + options.length) % options.length);
    } else if (event.key === "Enter" && at >= 0) {
      event.preventDefault();
      options[at].click();
    }
  }

  function choose(options, index) {
    options.forEach((one, at) => one.setAttribute("aria-selected", String(at === index)));
    options[index].scrollIntoView({ block: "nearest" });
    const field = find("[role=combobox]", palette);
    if (field) field.setAttribute("aria-activedescendant", options[index].id);
  }

  // Beginning -------------------------------------------------------------------------------------------------------
  setInterval(() => {
    if (signedIn && !document.hidden && !dialog.open) load(`${fragments}frame`, "#side");
  }, FRAME_EVERY);
  document.addEventListener("DOMContentLoaded", () => {
    try {
      sessionStorage.removeItem("htmx-current-path-for-history"); // htmx notes the path even with its history off
    } catch {
      // A browser may forbid storage.
    }
    if (isOpen) enter();
    else if (page.dataset.token && location.pathname === `${console_}signed-in`) returned();
    else signOut("");
  });
})();
