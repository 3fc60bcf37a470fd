//! A picture: its words, and its lines as SVG. On the page it follows the reader's light or dark; as a file it brings its own
//! background and colours, because it can't know on what it is shown.

use std::fmt::Write as _;

/// The width of every picture. Narrow, so that its words can be read on a telephone.
pub const WIDTH: f64 = 460.0;
/// The size of most words.
pub const TEXT: f64 = 12.0;
const TITLE: f64 = 15.0;
const MARGIN: f64 = 12.0;

/// The look of lines and words. The colours are named here and chosen by [`LIGHT`] and [`DARK`].
pub const STYLE: &str = "\
.picture{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:12px;fill:var(--ink)}\
.picture .muted{fill:var(--muted)}.picture .strong{font-weight:600}.picture .small{font-size:10.5px}\
.picture .halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px}\
.picture .grid{stroke:var(--grid);stroke-width:1}.picture .axis{stroke:var(--muted);stroke-width:1}\
.picture .mark{stroke:var(--ink);stroke-width:1;stroke-dasharray:3 3}\
.picture .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}.picture .dashed{stroke-dasharray:5 4}\
.picture .hollow{fill:var(--paper);stroke-width:1.5}\
.picture .s0{stroke:var(--t0)}.picture .s1{stroke:var(--t1)}.picture .s2{stroke:var(--t2)}.picture .s3{stroke:var(--t3)}\
.picture .f0{fill:var(--t0)}.picture .f1{fill:var(--t1)}.picture .f2{fill:var(--t2)}.picture .f3{fill:var(--t3)}";

/// A colour's name, and what it is.
pub type Colours = [(&'static str, &'static str); 8];

/// On white.
pub const LIGHT: Colours = [
    ("ink", "#1f2328"),
    ("muted", "#59636e"),
    ("grid", "#dfe3e8"),
    ("paper", "#ffffff"),
    ("t0", "#0969da"),
    ("t1", "#c2510a"),
    ("t2", "#157f5f"),
    ("t3", "#8250df"),
];

/// On something dark.
pub const DARK: Colours = [
    ("ink", "#e6edf3"),
    ("muted", "#9aa4af"),
    ("grid", "#2d343c"),
    ("paper", "#0d1117"),
    ("t0", "#58a6ff"),
    ("t1", "#f0883e"),
    ("t2", "#3fb98b"),
    ("t3", "#bc8cff"),
];

/// A picture.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Its file's name, without the ending.
    pub name: String,
    /// The title.
    pub title: String,
    /// Instructions for reading it.
    pub about: String,
    /// In the same unit as [`WIDTH`].
    pub height: f64,
    /// The elements.
    pub body: String,
}

impl Picture {
    /// For a page that has [`STYLE`] and the colours, and says title and explanation itself.
    #[must_use]
    pub fn inline(&self) -> String {
        format!(
            "<svg class=\"picture\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{}\">{}</svg>",
            self.height,
            escape(&self.title),
            self.body
        )
    }

    /// A file of its own.
    #[must_use]
    pub fn file(&self) -> String {
        let mut words = String::new();
        let mut y = MARGIN;
        for (text, size, class) in [(&self.title, TITLE, "strong"), (&self.about, TEXT, "muted")] {
            for line in wrap(text, size, WIDTH - MARGIN) {
                y += size * 1.3;
                let _ = write!(
                    words,
                    "<text x=\"0\" y=\"{y:.0}\" font-size=\"{size}\" class=\"{class}\" style=\"font-size:{size}px\">{}</text>",
                    escape(&line)
                );
            }
            y += size * 0.3;
        }
        let (width, height) = (WIDTH + 2.0 * MARGIN, y + self.height + 2.0 * MARGIN);
        // Not every program that shows pictures knows variables.
        let style = LIGHT
            .iter()
            .fold(STYLE.to_owned(), |style, (name, colour)| style.replace(&format!("var(--{name})"), colour));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"picture\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{:.0}\" height=\"{:.0}\" role=\"img\"><title>{}</title><style>{style}</style>\
             <rect width=\"100%\" height=\"100%\" rx=\"6\" style=\"fill:{}\"/>\
             <g transform=\"translate({MARGIN} 0)\">{words}<g transform=\"translate(0 {:.0})\">{}</g></g></svg>\n",
            width * 1.5,
            height * 1.5,
            escape(&self.title),
            LIGHT[3].1,
            y + MARGIN,
            self.body
        )
    }
}

/// The end of a text that lies where it is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The text begins there.
    Start,
    /// The text is centred there.
    Middle,
    /// The text ends there.
    End,
}

/// A line of words.
#[must_use]
pub fn text(x: f64, y: f64, anchor: Anchor, class: &str, words: &str) -> String {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{}</text>",
        escape(words)
    )
}

/// A straight line.
#[must_use]
pub fn line(from: (f64, f64), to: (f64, f64), class: &str) -> String {
    format!(
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" class=\"{class}\"/>",
        from.0, from.1, to.0, to.1
    )
}

/// A filled rectangle, by two corners, with what is said when it is pointed at.
#[must_use]
pub fn block(from: (f64, f64), to: (f64, f64), class: &str, said: &str) -> String {
    format!(
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.2}\" height=\"{:.1}\" class=\"{class}\"><title>{}</title></rect>",
        from.0.min(to.0),
        from.1.min(to.1),
        (to.0 - from.0).abs(),
        (to.1 - from.1).abs(),
        escape(said)
    )
}

/// About how wide words are: no font is at hand, and every reader has another.
#[must_use]
pub fn width_of(words: &str, size: f64) -> f64 {
    u32::try_from(words.chars().count()).map_or(0.0, f64::from) * size * 0.56
}

/// Lines that are no wider than this.
fn wrap(words: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width_of(line, size) + width_of(word, size) + size < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Text as it may stand in HTML and SVG, also between quotation marks.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_and_none_is_lost() {
        let words = "each block is one interval between two frames as wide and as high as it is long";
        let lines = wrap(words, 12.0, 200.0);
        assert!(lines.len() > 1 && lines.iter().all(|line| width_of(line, 12.0) < 200.0), "{lines:?}");
        assert_eq!(lines.join(" "), words);
        assert_eq!(wrap("", 12.0, 200.0), Vec::<String>::new());
    }

    #[test]
    fn a_file_of_its_own_needs_nothing_else() {
        let picture = Picture {
            name: "one".into(),
            title: "<Frames> & more".into(),
            about: "How it is read".into(),
            height: 100.0,
            body: text(1.0, 2.0, Anchor::End, "muted", "a < b"),
        };
        let file = picture.file();
        assert!(!file.contains("var(") && file.contains("&lt;Frames&gt; &amp; more"), "{file}");
        assert!(file.contains("a &lt; b") && file.contains("How it is read"), "{file}");
        assert!(picture.inline().contains("viewBox"));
    }
}
