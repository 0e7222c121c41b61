//! Lines over time, as SVG that reads on light and dark pages.

use std::fmt::Write;

const WIDTH: f64 = 860.0;
const PANEL: f64 = 130.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 30.0;
const COLOURS: [&str; 3] = ["#2f7ed8", "#d9822b", "#3d9970"];

pub struct Panel<'a> {
    pub title: &'a str,
    /// Each with its name.
    pub lines: Vec<(String, Vec<f64>)>,
}

/// `minutes` is the length of all lines.
#[must_use]
pub fn svg(minutes: f64, panels: &[Panel<'_>]) -> String {
    let height = panels.len() as f64 * (PANEL + TOP) + 28.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"#808080\">\n"
    );
    for (at, panel) in panels.iter().enumerate() {
        draw(&mut svg, panel, at as f64 * (PANEL + TOP) + TOP);
    }
    let _ = write!(
        svg,
        "<text x=\"{LEFT}\" y=\"{y}\">0</text><text x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{minutes:.0} minutes</text>\n</svg>\n",
        x = WIDTH - RIGHT,
        y = height - 8.0
    );
    svg
}

fn draw(svg: &mut String, panel: &Panel<'_>, top: f64) {
    let most = panel
        .lines
        .iter()
        .flat_map(|(_, line)| line)
        .fold(1.0_f64, |most, number| most.max(*number));
    let most = most * 1.1;
    let (bottom, right) = (top + PANEL, WIDTH - RIGHT);
    let _ = write!(
        svg,
        "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{}</text>\n\
         <path d=\"M{LEFT} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#808080\"/>\n\
         <text x=\"{x}\" y=\"{}\" text-anchor=\"end\">{most:.0}</text><text x=\"{x}\" y=\"{bottom}\" text-anchor=\"end\">0</text>\n",
        top - 8.0,
        panel.title,
        top + 10.0,
        x = LEFT - 6.0,
    );
    for (at, (name, line)) in panel.lines.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let step = (right - LEFT) / (line.len().max(2) - 1) as f64;
        let points = line
            .iter()
            .enumerate()
            .map(|(at, number)| format!("{:.1},{:.1}", LEFT + at as f64 * step, bottom - number / most * PANEL));
        let points = points.collect::<Vec<_>>().join(" ");
        let x = LEFT + 220.0 + at as f64 * 120.0;
        let _ = write!(
            svg,
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n\
             <text x=\"{x}\" y=\"{}\" fill=\"{colour}\">{name}</text>\n",
            top - 8.0
        );
    }
}
