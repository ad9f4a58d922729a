/* Makes the stock OFREP web provider evaluate again as soon as a flag changes.
   `query` is the provider's own option; returns a function that ends it. */
export function live(url, key, query) {
  const protocols = key ? ['burgee.live', 'burgee.key.' + key.replace('/', '~')] : ['burgee.live'];
  let socket, ping, next, soon, wait = 1000, since = '', ended = false;
  const evaluate = () => {
    clearTimeout(soon);
    soon = setTimeout(() => document.dispatchEvent(new Event('visibilitychange')), 50 + Math.random() * 200);
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
    [soon, next].forEach(clearTimeout);
    socket.close();
  };
}
