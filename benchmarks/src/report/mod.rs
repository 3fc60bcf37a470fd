//! `benchmark report`: result files as one page that needs nothing else, and its pictures as files.
//!
//! | module | subject |
//! |---|---|
//! | [`read`] | result files, told apart by their kind |
//! | [`section`] | what the page says of one result |
//! | [`charts`] | the kinds of picture |
//! | [`axis`] | from figures to places |
//! | [`picture`] | one picture as SVG |
//! | [`table`] | one table |
//! | [`page`] | all of it as HTML |

pub mod axis;
pub mod charts;
pub mod page;
pub mod picture;
pub mod read;
pub mod section;
pub mod table;

use std::path::{Path, PathBuf};

use anyhow::Context;

use page::Part;
use read::Source;
use section::section;

/// Reads results, and writes the page and, if there is a folder for them, the pictures. Says what it wrote.
///
/// # Errors
/// When a file is no result, or nothing can be written.
pub fn write(results: &[PathBuf], output: &Path, pictures: Option<&Path>) -> anyhow::Result<String> {
    let sources: Result<Vec<Source>, String> = results.iter().map(|path| read::read(path)).collect();
    let parts = parts(sources.map_err(anyhow::Error::msg)?);
    std::fs::write(output, page::html(&parts)).with_context(|| output.display().to_string())?;
    let mut said = format!("{}\n", output.display());
    if let Some(folder) = pictures {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        for picture in parts.iter().flat_map(|part| &part.section.pictures) {
            let path = folder.join(format!("{}.svg", picture.name));
            std::fs::write(&path, picture.file()).with_context(|| path.display().to_string())?;
            said += &format!("{}\n", path.display());
        }
    }
    Ok(said)
}

/// In the page's order, the second of a kind with a 2 in its pictures' names.
fn parts(mut sources: Vec<Source>) -> Vec<Part> {
    sources.sort_by_key(|source| source.content.place());
    let mut parts: Vec<Part> = Vec::new();
    for source in sources {
        let place = source.content.place();
        let before = parts.iter().filter(|part| part.source.content.place() == place).count();
        let mut section = section(&source.content);
        if before > 0 {
            for picture in &mut section.pictures {
                picture.name = format!("{}-{}", picture.name, before + 1);
            }
        }
        parts.push(Part { source, section });
    }
    parts
}
