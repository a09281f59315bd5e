/** Where the tasks of a plan stand: layers by longest path, ordered by the middle of what they depend on. Pure. */

export interface Box { id: string; x: number; y: number }
export interface Edge { from: string; to: string }
export interface Layout { boxes: Box[]; edges: Edge[]; width: number; height: number }

export const BOX = { width: 190, height: 52, gapX: 46, gapY: 16 };
const SWEEPS = 4;

export function layout(ids: readonly string[], needs: ReadonlyMap<string, readonly string[]>): Layout {
  const known = new Set(ids);
  const before = new Map(ids.map((id) => [id, (needs.get(id) ?? []).filter((one) => known.has(one) && one !== id)]));
  const layers = inLayers(ids, before);
  order(layers, before);
  const tallest = Math.max(1, ...layers.map((layer) => layer.length));
  const boxes = layers.flatMap((layer, column) => layer.map((id, row) => ({
    id,
    x: column * (BOX.width + BOX.gapX),
    y: (row + (tallest - layer.length) / 2) * (BOX.height + BOX.gapY),
  })));
  const edges = ids.flatMap((to) => before.get(to)!.map((from) => ({ from, to })));
  return {
    boxes, edges,
    width: Math.max(1, layers.length) * (BOX.width + BOX.gapX) - BOX.gapX,
    height: tallest * (BOX.height + BOX.gapY) - BOX.gapY,
  };
}

function inLayers(ids: readonly string[], before: ReadonlyMap<string, readonly string[]>): string[][] {
  const depth = new Map<string, number>();
  // as often as there are tasks, so that a plan with a circle in it ends, too
  for (let round = 0; round < ids.length; round++) {
    let moved = false;
    for (const id of ids) {
      const now = Math.min(ids.length - 1, Math.max(0, ...before.get(id)!.map((one) => (depth.get(one) ?? 0) + 1)));
      if (now !== depth.get(id)) [moved] = [true, depth.set(id, now)];
    }
    if (!moved) break;
  }
  const layers: string[][] = [];
  for (const id of ids) (layers[depth.get(id) ?? 0] ??= []).push(id);
  return Array.from(layers, (layer) => layer ?? []).filter((layer) => layer.length);
}

function order(layers: string[][], before: ReadonlyMap<string, readonly string[]>): void {
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const row = new Map(layers.flatMap((layer) => layer.map((id, at) => [id, at - layer.length / 2] as const)));
    const middle = (id: string) => {
      const needed = before.get(id)!;
      return needed.length ? needed.reduce((sum, one) => sum + row.get(one)!, 0) / needed.length : row.get(id)!;
    };
    for (const layer of layers) layer.sort((a, b) => middle(a) - middle(b));
  }
}
