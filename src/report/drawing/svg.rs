//! A graph as SVG, drawn without Graphviz.

use std::fmt::Write as _;

use super::{
    Drawing, escaped,
    layout::{HEIGHT, Layout, layout},
};

const STYLE: &str = "text{font:12px sans-serif;fill:#222}rect{fill:#eef4fb;stroke:#5b7fa6}path{fill:none;stroke:#9aa7b5}\
                     .root rect{fill:#cfe3c8;stroke:#3d7a2a;stroke-width:2}.fixed rect{fill:#fbf3e2;stroke-dasharray:4 2}";

/// The picture.
pub fn svg(drawing: &Drawing) -> String {
    let layout = layout(drawing);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0} {1:.0}\" width=\"{0:.0}\" height=\"{1:.0}\">\n\
         <style>{STYLE}</style>\n{2}</svg>\n",
        layout.width,
        layout.height,
        content(drawing, &layout)
    )
}

/// Edges, and nodes above them; `data-` attributes say what is connected with what.
fn content(drawing: &Drawing, layout: &Layout) -> String {
    let mut text = String::new();
    for (edge, bends) in drawing.edges.iter().zip(&layout.bends) {
        let (Some(from), Some(to)) = (layout.nodes.get(edge.from), layout.nodes.get(edge.to)) else {
            continue;
        };
        let mut last = (from.x + from.width, from.y);
        let _ = write!(
            text,
            "<path data-from=\"{}\" data-to=\"{}\" d=\"M{:.1} {:.1}",
            edge.from, edge.to, last.0, last.1
        );
        for point in bends.iter().copied().chain([(to.x, to.y)]) {
            let middle = f64::midpoint(last.0, point.0);
            let _ = write!(
                text,
                "C{middle:.1} {:.1} {middle:.1} {:.1} {:.1} {:.1}",
                last.1, point.1, point.0, point.1
            );
            last = point;
        }
        text.push_str("\"/>\n");
    }
    for (at, (node, place)) in drawing.nodes.iter().zip(&layout.nodes).enumerate() {
        let class = match (node.root, node.fixed) {
            (true, _) => "root",
            (_, true) => "fixed",
            _ => "node",
        };
        let _ = writeln!(
            text,
            "<g class=\"{class}\" data-node=\"{at}\"><title>{}</title><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" \
             height=\"{HEIGHT}\" rx=\"4\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
            escaped(&node.id),
            place.x,
            place.y - HEIGHT / 2.0,
            place.width,
            place.x + 7.0,
            place.y + 4.0,
            escaped(&node.label)
        );
    }
    text
}
