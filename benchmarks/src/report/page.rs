//! The page. It loads nothing, needs no script, and follows the reader's light or dark.

use super::picture::{Colours, DARK, LIGHT, STYLE, escape};
use super::read::Source;
use super::section::Section;
use crate::machine::Machine;

/// A result, and the section about it.
#[derive(Clone, Debug)]
pub struct Part {
    /// The file that it comes from.
    pub source: Source,
    /// The section.
    pub section: Section,
}

const LOOKS: &str = "\
*{box-sizing:border-box}\
body{margin:0 auto;max-width:76rem;padding:1rem 1rem 3rem;background:var(--paper);color:var(--ink);\
font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif}\
h1{font-size:1.7rem;margin:.5rem 0 .25rem}h2{font-size:1.3rem;margin:0 0 .25rem}h3{font-size:1rem;margin:0 0 .2rem}\
p{margin:.25rem 0 .75rem;max-width:48rem}p.muted,figcaption p,.notes{color:var(--muted);font-size:.875rem}\
section{border-top:1px solid var(--grid);padding:1.5rem 0 1rem}\
.pictures{display:grid;gap:1.5rem 2.5rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,28rem),1fr));margin:1rem 0}\
figure{margin:0;max-width:36rem}svg.picture{display:block;width:100%;height:auto}\
.wide{overflow-x:auto;margin:.75rem 0}table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}\
th,td{padding:.3rem .9rem .3rem 0;text-align:right;vertical-align:top;border-bottom:1px solid var(--grid)}\
th{font-weight:600;color:var(--muted);vertical-align:bottom}td{white-space:nowrap}\
th:first-child,td:first-child,.words{text-align:left}td.words{white-space:normal;min-width:14rem}\
.notes{padding-left:1.1rem;max-width:60rem}\
.made-up{background:#b3261e;color:#fff;padding:.4rem .7rem;border-radius:.3rem;display:inline-block;font-weight:600}";

fn colours(colours: &Colours) -> String {
    colours.iter().map(|(name, colour)| format!("--{name}:{colour};")).collect()
}

/// All of it.
#[must_use]
pub fn html(parts: &[Part]) -> String {
    let made_up = match parts.iter().any(|part| part.source.made_up) {
        true => "<p class=\"made-up\">With made-up figures, for a test.</p>",
        false => "",
    };
    let body: String = parts.iter().map(part).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>Preroll, measured</title>\n<style>:root{{{}}}\
         @media(prefers-color-scheme:dark){{:root{{{}}}}}\n{LOOKS}\n{STYLE}</style></head>\n<body>\
         <h1>Preroll, measured</h1>{made_up}<p class=\"muted\">Figures of one machine at one time. Only what stands in one \
         section was measured together and may be compared. p50: half were no longer; p99: 99 of 100.</p>\n{body}</body></html>\n",
        colours(&LIGHT),
        colours(&DARK)
    )
}

fn part(part: &Part) -> String {
    let Part { source, section } = part;
    let figure = |picture: &super::picture::Picture| {
        format!(
            "<figure id=\"{}\"><figcaption><h3>{}</h3><p>{}</p></figcaption>{}</figure>\n",
            escape(&picture.name),
            escape(&picture.title),
            escape(&picture.about),
            picture.inline()
        )
    };
    let pictures: String = section.pictures.iter().map(figure).collect();
    let pictures = match pictures.is_empty() {
        true => pictures,
        false => format!("<div class=\"pictures\">{pictures}</div>"),
    };
    let tables: String = section.tables.iter().map(super::table::Table::html).collect();
    let notes: String = section.notes.iter().map(|note| format!("<li>{}</li>", escape(note))).collect();
    let notes = if notes.is_empty() { notes } else { format!("<ul class=\"notes\">{notes}</ul>") };
    let made_up = if source.made_up { "<p class=\"made-up\">Made up, for a test.</p>" } else { "" };
    format!(
        "<section><h2>{}</h2>{made_up}<p>{}</p>{pictures}{tables}{notes}<p class=\"muted\">{}</p></section>\n",
        escape(&section.heading),
        escape(&section.lead),
        escape(&measured(&source.machine, &source.file))
    )
}

fn measured(machine: &Machine, file: &str) -> String {
    let gb = machine.memory_mb.div_ceil(1000);
    format!(
        "Measured {} on {} cores of {}, {gb} GB, {}, Linux {}; load {} when it began. From {file}.",
        machine.date, machine.cores, machine.processor, machine.system, machine.kernel, machine.load
    )
}
