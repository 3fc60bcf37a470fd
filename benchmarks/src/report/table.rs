//! A table of the page.

use super::picture::escape;

/// The best figure of a column: the smallest or the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Best {
    /// The smallest.
    Least,
    /// The largest.
    Most,
}

/// Rows of words, with the figures that they stand for where columns are compared.
#[derive(Clone, Debug, Default)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<(String, Option<f64>)>>,
    /// The columns whose best is shown, by their number.
    pub best: Vec<(usize, Best)>,
}

impl Table {
    /// A table with these columns, and no row yet.
    #[must_use]
    pub fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|&head| head.to_owned()).collect(), ..Self::default() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = (String, Option<f64>)>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// As HTML. Nothing, if it has no row.
    #[must_use]
    pub fn html(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let head: String = self.head.iter().map(|head| format!("<th>{}</th>", escape(head))).collect();
        let rows: String = self.rows.iter().map(|row| format!("<tr>{}</tr>", self.cells(row))).collect();
        format!(
            "<div class=\"wide\"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        )
    }

    fn cells(&self, row: &[(String, Option<f64>)]) -> String {
        let cell = |(column, (words, value)): (usize, &(String, Option<f64>))| {
            let mut words = escape(words);
            if value.is_some_and(|value| self.is_best(column, value)) {
                words = format!("<b>{words}</b>");
            }
            // A column without a name has sentences.
            let is_named = column == 0 || self.head.get(column).is_some_and(|head| !head.is_empty());
            let class = if is_named { "" } else { " class=\"words\"" };
            format!("<td{class}>{words}</td>")
        };
        row.iter().enumerate().map(cell).collect()
    }

    fn is_best(&self, column: usize, value: f64) -> bool {
        let values = || self.rows.iter().filter_map(|row| row.get(column)?.1);
        if values().all(|other| (other - value).abs() < 1e-9) {
            return false;
        }
        let best = match self.best.iter().find(|(of, _)| *of == column) {
            Some((_, Best::Least)) => values().fold(f64::INFINITY, f64::min),
            Some((_, Best::Most)) => values().fold(f64::NEG_INFINITY, f64::max),
            None => return false,
        };
        (value - best).abs() < 1e-9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_a_column_is_bold_whoever_it_is() {
        let mut table = Table::new(&["who", "hole", "frames", "twice"]);
        table.best = vec![(1, Best::Least), (2, Best::Most), (3, Best::Most)];
        let cell = |value: f64| (value.to_string(), Some(value));
        table.row([("a <b>".into(), None), cell(17.0), cell(80.0), cell(5.0)]);
        table.row([("c".into(), None), cell(400.0), cell(81.0), cell(5.0)]);
        let html = table.html();
        assert!(
            html.contains("<b>17</b>") && html.contains("<b>81</b>") && html.contains("a &lt;b&gt;"),
            "{html}"
        );
        assert!(!html.contains("<b>5</b>"), "they are all alike: {html}");
        assert!(!html.contains("<b>400</b>") && !html.contains("<b>80</b>"), "{html}");
        assert_eq!(Table::new(&["alone"]).html(), "");
    }
}
