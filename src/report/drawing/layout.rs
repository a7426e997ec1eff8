//! Where nodes go: in columns, each right of all that needs it (Sugiyama's method).
//!
//! Columns come from the longest way to a node. An edge over several columns goes through a bend in each. In columns, nodes are
//! sorted by the mean place of their neighbours, a fixed number of times to and fro; then heights are chosen so that edges are
//! as straight as the order and the distances allow, by isotonic regression. No chance, no clock: one graph has one layout.

use super::Drawing;

/// How often columns are sorted, and heights chosen.
const SWEEPS: usize = 12;
/// With more bends than that, long edges go straight instead.
const MOST_BENDS: usize = 50_000;
/// Between two columns.
const COLUMN_GAP: f64 = 60.0;
/// The width of a letter, about.
const LETTER: f64 = 7.0;
/// The height of a node.
pub(super) const HEIGHT: f64 = 22.0;
/// The space between two nodes of a column.
const GAP: f64 = 8.0;
/// The space around all.
const MARGIN: f64 = 12.0;

/// A place: the middle of the left side, and the width.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Place {
    pub x: f64,
    pub y: f64,
    pub width: f64,
}

/// Where everything is.
#[derive(Debug)]
pub(super) struct Layout {
    /// The places of nodes.
    pub nodes: Vec<Place>,
    /// The bends of edges, in their order.
    pub bends: Vec<Vec<(f64, f64)>>,
    pub width: f64,
    pub height: f64,
}

/// A node or a bend.
#[derive(Default)]
struct Vertex {
    column: usize,
    real: bool,
    before: Vec<usize>,
    after: Vec<usize>,
    width: f64,
    y: f64,
}

/// Lays a graph out.
pub(super) fn layout(drawing: &Drawing) -> Layout {
    let columns = columns(drawing);
    let mut vertices: Vec<Vertex> = drawing
        .nodes
        .iter()
        .zip(&columns)
        .map(|(node, column)| Vertex {
            column: *column,
            real: true,
            width: node.label.chars().count() as f64 * LETTER + 14.0,
            ..Vertex::default()
        })
        .collect();
    let chains = bend(drawing, &columns, &mut vertices);
    let count = vertices.iter().map(|vertex| vertex.column + 1).max().unwrap_or(0);
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (at, vertex) in vertices.iter().enumerate() {
        if let Some(column) = order.get_mut(vertex.column) {
            column.push(at);
        }
    }
    sort(&mut order, &vertices);
    set_heights(&order, &mut vertices);
    let top = vertices.iter().map(|vertex| vertex.y).fold(f64::INFINITY, f64::min);
    let shift = if top.is_finite() { MARGIN + HEIGHT / 2.0 - top } else { MARGIN };
    let mut lefts = Vec::with_capacity(count);
    let mut x = MARGIN;
    for column in &order {
        lefts.push(x);
        let widest = column.iter().filter_map(|at| vertices.get(*at)).map(|vertex| vertex.width);
        x += widest.fold(0.0, f64::max) + COLUMN_GAP;
    }
    let place = |vertex: &Vertex| Place {
        x: lefts.get(vertex.column).copied().unwrap_or(MARGIN),
        y: vertex.y + shift,
        width: vertex.width,
    };
    let bend_of = |at: &usize| vertices.get(*at).map(|vertex| (place(vertex).x, place(vertex).y));
    let bends = chains.iter().map(|chain| chain.iter().filter_map(bend_of).collect()).collect();
    let bottom = vertices.iter().map(|vertex| vertex.y + shift).fold(0.0, f64::max);
    let nodes = vertices.iter().take(drawing.nodes.len()).map(place).collect();
    Layout { nodes, bends, width: x - COLUMN_GAP + MARGIN, height: bottom + HEIGHT / 2.0 + MARGIN }
}

/// The column of each node: one more than that of the last that needs it. Edges that close a cycle do not count.
fn columns(drawing: &Drawing) -> Vec<usize> {
    let below = drawing.successors();
    // 0: not seen, 1: being visited, 2: done
    let mut state = vec![0_u8; below.len()];
    let mut closing: Vec<(usize, usize)> = Vec::new();
    let mut finished = Vec::with_capacity(below.len());
    for start in 0..below.len() {
        let mut stack = vec![(start, 0)];
        while let Some((at, next)) = stack.pop() {
            match state.get_mut(at) {
                Some(state) if next == 0 && *state == 0 => *state = 1,
                Some(_) if next > 0 => {}
                _ => continue,
            }
            match below.get(at).and_then(|list| list.get(next)) {
                Some(to) => {
                    stack.push((at, next + 1));
                    match state.get(*to) {
                        Some(0) => stack.push((*to, 0)),
                        Some(1) => closing.push((at, *to)),
                        _ => {}
                    }
                }
                None => {
                    if let Some(state) = state.get_mut(at) {
                        *state = 2;
                    }
                    finished.push(at);
                }
            }
        }
    }
    let mut columns = vec![0; below.len()];
    for at in finished.into_iter().rev() {
        let own = columns.get(at).copied().unwrap_or(0);
        for to in below.get(at).into_iter().flatten().filter(|to| !closing.contains(&(at, **to))) {
            if let Some(column) = columns.get_mut(*to) {
                *column = (own + 1).max(*column);
            }
        }
    }
    columns
}

/// Connects the vertices, with bends where an edge passes columns; gives the bends of each edge.
fn bend(drawing: &Drawing, columns: &[usize], vertices: &mut Vec<Vertex>) -> Vec<Vec<usize>> {
    let column = |at: usize| columns.get(at).copied().unwrap_or(0);
    let passed = |from: usize, to: usize| column(to).saturating_sub(column(from)).saturating_sub(1);
    let all: usize = drawing.edges.iter().map(|edge| passed(edge.from, edge.to)).sum();
    let mut chains = Vec::with_capacity(drawing.edges.len());
    for edge in &drawing.edges {
        let mut chain = Vec::new();
        let mut last = edge.from;
        let bends = if all > MOST_BENDS { 0 } else { passed(edge.from, edge.to) };
        for number in 1..=bends {
            let next = vertices.len();
            vertices.push(Vertex { column: column(edge.from) + number, ..Vertex::default() });
            connect(vertices, last, next);
            chain.push(next);
            last = next;
        }
        if column(edge.to) > column(edge.from) {
            connect(vertices, last, edge.to);
        }
        chains.push(chain);
    }
    chains
}

fn connect(vertices: &mut [Vertex], from: usize, to: usize) {
    if let Some(vertex) = vertices.get_mut(from) {
        vertex.after.push(to);
    }
    if let Some(vertex) = vertices.get_mut(to) {
        vertex.before.push(from);
    }
}

/// Sorts the columns by the mean place of what each vertex is connected with, from left to right and back.
fn sort(order: &mut [Vec<usize>], vertices: &[Vertex]) {
    let mut place = vec![0.0; vertices.len()];
    let number = |column: &[usize], place: &mut [f64]| {
        for (number, at) in column.iter().enumerate() {
            if let Some(place) = place.get_mut(*at) {
                *place = number as f64;
            }
        }
    };
    for column in order.iter() {
        number(column, &mut place);
    }
    for sweep in 0..SWEEPS {
        let right = sweep % 2 == 0;
        let count = order.len();
        for step in 0..count {
            let index = if right { step } else { count - 1 - step };
            let Some(column) = order.get_mut(index) else { continue };
            let key = |at: &usize| {
                let own = place.get(*at).copied().unwrap_or(0.0);
                let Some(vertex) = vertices.get(*at) else { return own };
                let near = if right { &vertex.before } else { &vertex.after };
                mean(near.iter().filter_map(|at| place.get(*at).copied())).unwrap_or(own)
            };
            let mut keyed: Vec<(f64, usize)> = column.iter().map(|at| (key(at), *at)).collect();
            keyed.sort_by(|one, other| one.0.total_cmp(&other.0));
            *column = keyed.into_iter().map(|(_, at)| at).collect();
            number(column, &mut place);
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

/// Chooses heights near those of what each vertex is connected with, in the order of the column.
fn set_heights(order: &[Vec<usize>], vertices: &mut [Vertex]) {
    for column in order {
        let offsets = offsets(column, vertices);
        let middle = offsets.last().copied().unwrap_or(0.0) / 2.0;
        for (at, offset) in column.iter().zip(&offsets) {
            if let Some(vertex) = vertices.get_mut(*at) {
                vertex.y = offset - middle;
            }
        }
    }
    for sweep in 0..SWEEPS {
        let count = order.len();
        for step in 0..count {
            let index = if sweep % 2 == 0 { step } else { count - 1 - step };
            let Some(column) = order.get(index) else { continue };
            let offsets = offsets(column, vertices);
            let wish = |at: &usize| {
                let Some(vertex) = vertices.get(*at) else { return 0.0 };
                let near = vertex.before.iter().chain(&vertex.after);
                mean(near.filter_map(|at| vertices.get(*at)).map(|vertex| vertex.y)).unwrap_or(vertex.y)
            };
            let wishes: Vec<f64> =
                column.iter().zip(&offsets).map(|(at, offset)| wish(at) - offset).collect();
            for ((at, offset), y) in column.iter().zip(&offsets).zip(isotonic(&wishes)) {
                if let Some(vertex) = vertices.get_mut(*at) {
                    vertex.y = y + offset;
                }
            }
        }
    }
}

/// How far below the first vertex of a column each of the others is at least.
fn offsets(column: &[usize], vertices: &[Vertex]) -> Vec<f64> {
    let height = |at: &usize| if vertices.get(*at).is_some_and(|vertex| vertex.real) { HEIGHT } else { 2.0 };
    let mut sum = 0.0;
    let mut offsets = Vec::with_capacity(column.len());
    let mut last: Option<f64> = None;
    for at in column {
        let own = height(at);
        sum += last.map_or(0.0, |last| (last + own) / 2.0 + GAP);
        offsets.push(sum);
        last = Some(own);
    }
    offsets
}

/// The values nearest to those given, in the sense of least squares, that never fall: adjacent violators are pooled.
fn isotonic(values: &[f64]) -> Vec<f64> {
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for value in values {
        let mut pool = (*value, 1);
        while let Some(before) = pools.last().filter(|before| before.0 > pool.0).copied() {
            pools.pop();
            let count = before.1 + pool.1;
            pool = ((before.0 * before.1 as f64 + pool.0 * pool.1 as f64) / count as f64, count);
        }
        pools.push(pool);
    }
    pools.into_iter().flat_map(|(value, count)| std::iter::repeat_n(value, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::drawing, *};

    #[test]
    fn each_node_is_right_of_all_that_needs_it_and_none_covers_another() {
        let mut edges: Vec<(usize, usize)> = Vec::new();
        for from in 0..60_usize {
            edges.extend([1, 3, 7].map(|step| (from, from + step)).iter().filter(|(_, to)| *to < 60));
        }
        let drawing = drawing(60, &edges);
        let laid = layout(&drawing);
        for (from, to) in edges {
            let (from, to) = (laid.nodes[from], laid.nodes[to]);
            assert!(from.x + from.width < to.x, "{from:?} {to:?}");
        }
        for (at, one) in laid.nodes.iter().enumerate() {
            assert!(one.y - HEIGHT / 2.0 > 0.0 && one.y + HEIGHT / 2.0 < laid.height);
            for other in &laid.nodes[at + 1..] {
                assert!(one.x != other.x || (one.y - other.y).abs() >= HEIGHT, "{one:?} {other:?}");
            }
        }
        assert_eq!(laid.nodes, layout(&drawing).nodes, "one graph has one layout");
    }

    #[test]
    fn a_cycle_is_drawn_too() {
        let laid = layout(&drawing(3, &[(0, 1), (1, 2), (2, 0)]));
        assert!(laid.nodes[0].x < laid.nodes[1].x && laid.nodes[1].x < laid.nodes[2].x);
        assert_eq!(layout(&drawing(0, &[])).nodes.len(), 0);
    }

    #[test]
    fn violators_are_pooled() {
        assert_eq!(isotonic(&[1.0, 3.0, 2.0, 4.0]), [1.0, 2.5, 2.5, 4.0]);
    }
}
