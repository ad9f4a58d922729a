/* Makes the stock OFREP web provider evaluate again as soon as a flag changes.
   `query` is the provider's own option; returns a function that ends it. */
export function live(url, key, query) {
  const protocols = key ? ['burgee.live', 'burgee.key.' + key.replace('/', '~')] : ['burgee.live'];
  let socket, ping, next, soon, later, last = 0, wait = 1000, since = '', ended = false;
  const show = () => {
    last = Date.now();
    document.dispatchEvent(new Event('visibilitychange'));
  };
  const evaluate = () => {
    [soon, later].forEach(clearTimeout);
    soon = setTimeout(show, 50 + Math.random() * 200);
    // While another evaluation is under way, the provider skips one.
    if (Date.now() - last < 10000) later = setTimeout(show, 5000 + Math.random() * 10000);
  };
  const connect = () => {
    socket = new WebSocket(url + '?since=' + since, protocols);
    socket.onopen = () => {
      wait = 1000;
      ping = setInterval(() => socket.send('ping'), 480000);
      evaluate();
    };
    socket.onmessage = ({ data }) => {
      const { type, etag } = JSON.parse(data);
      if (type !== 'refetchEvaluation') return;
      query?.set('flagConfigEtag', since = etag);
      evaluate();
    };
    socket.onclose = () => {
      clearInterval(ping);
      if (!ended) next = setTimeout(connect, wait * (0.5 + Math.random()));
      wait = Math.min(2 * wait, 60000);
    };
  };
  connect();
  return () => {
    ended = true;
    [soon, later, next].forEach(clearTimeout);
    socket.close();
  };
}
