/**
 * Four replicas in one program, by way of the library: `npm run build && node dist/test/examples/pbft-library.js`.
 */
import { NodeBuilder, Request, type Node } from 'gossip-peer/pbft';

const nodes: Node[] = [];
for (let index = 0; index < 4; index++) {
  // Port 0 takes any free one. Each is told where the first one is, and hears of the others from it.
  const builder = new NodeBuilder(0).withIndex(index, 4).withApplication('kv');
  const [first] = nodes;
  if (first !== undefined) builder.withBootstrapPeer(`127.0.0.1:${first.address.port}`);
  const node = builder.build();
  await node.start();
  nodes.push(node);
}

const [one, two, three, four] = nodes;
let executed = 0;
two?.on('executed', ({ requests }) => {
  executed += requests.length;
});
console.log((await one?.submit('put greeting "hello world"'))?.text);
console.log((await three?.submit(Request.of('cas', 'greeting', 'hello world', 'good morning')))?.value);
console.log((await four?.submit('get greeting'))?.text);
// An answer is that of two replicas; the second one may be a moment behind.
while (executed < 3) await new Promise((resolve) => setTimeout(resolve, 10));
console.log(`member 1 has executed ${executed} requests in view ${two?.status().view}`);
await Promise.all(nodes.map((node) => node.stop()));
