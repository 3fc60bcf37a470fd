//! One video of all cameras beside each other: at each instant each camera shows the frame that stood then.

use std::path::Path;

use super::Source;
use super::ahead::{Ahead, Wanted};
use super::caption::{self, Captions, Subject};
use super::layout::{Layout, Tile};
use super::movie::{Kind, Movie};
use super::sheet::Sheet;
use super::timeline::{Clock, Lack, Line, Standing};
use crate::colour::Meaning;
use crate::film::Look;
use crate::picture;

/// Makes the video, as a new file.
///
/// # Errors
/// A sentence on what is wrong.
pub(crate) fn make(source: &Source, burn_in: bool, path: &Path) -> Result<(), String> {
    let window = source.manifest.window;
    let lines: Vec<Line> =
        source.cameras().map(|(_, camera, rows)| Line::new(camera, rows.to_vec())).collect();
    let clock = Clock::of(&lines, window)?;
    let looks = source.videos().map(|(_, video)| video.look()).collect::<Result<Vec<_>, _>>()?;
    let sizes: Vec<(u32, u32)> = source
        .cameras()
        .zip(&looks)
        .map(|((_, camera, _), look)| {
            look.as_ref().map_or((camera.width, camera.height), |look| {
                picture::shown_size((look.width, look.height), &look.tags)
            })
        })
        .collect();
    let layout = Layout::of(&sizes, burn_in);
    let meaning = meaning_of(&looks);
    let kind = Kind {
        width: layout.width,
        height: layout.height,
        milli_fps: clock.milli_fps,
        meaning,
        trigger: clock.number_at(source.manifest.trigger_ns.0),
        count: clock.count,
    };
    let mut movie = Movie::create(path, &kind)?;
    std::thread::scope(|scope| {
        let mut views = Vec::new();
        for (((name, video), line), tile) in source.videos().zip(&lines).zip(&layout.tiles) {
            let wanted = Wanted { width: tile.picture.width, height: tile.picture.height, meaning };
            let ahead =
                Ahead::begin(scope, video, wanted).map_err(|e| format!("no thread can be started: {e}"))?;
            views.push(View { name, line, tile, ahead, shown: None });
        }
        let captions = burn_in.then(|| Captions::of(&source.manifest, &source.folder));
        let mut sheet = Sheet::new(layout.width, layout.height, meaning.grey(0.0));
        for number in 0..clock.count {
            let t_ns = clock.instant_ns(number);
            for view in &mut views {
                view.draw(&mut sheet, t_ns, captions.as_ref(), source.manifest.trigger_ns.0, meaning)?;
            }
            movie.add(&sheet)?;
        }
        Ok::<(), String>(())
    })?;
    movie.end()
}

/// The meaning of the video's numbers: the first camera's matrix, in limited range, which every player shows rightly.
fn meaning_of(looks: &[Option<Look>]) -> Meaning {
    let first = looks.iter().flatten().next().map_or(Meaning::JPEG, |look| look.meaning);
    Meaning { full_range: false, ..first }
}

/// A camera in the video.
struct View<'a> {
    name: &'a str,
    line: &'a Line,
    tile: &'a Tile,
    ahead: Ahead,
    /// The thing that its place shows.
    shown: Option<Standing>,
}

impl View<'_> {
    fn draw(
        &mut self,
        sheet: &mut Sheet,
        t_ns: u64,
        captions: Option<&Captions>,
        trigger_ns: u64,
        meaning: Meaning,
    ) -> Result<(), String> {
        let Tile { picture: place, caption, scale } = *self.tile;
        let mut standing = self.line.at(t_ns);
        let is_new = self.shown != Some(standing);
        if let (Standing::Frame(row), true) = (standing, is_new) {
            match self.ahead.of_row(row)? {
                Some(picture) => sheet.put(picture, place.x, place.y),
                None => standing = Standing::Lacks(Lack::Damaged),
            }
        }
        if let (Standing::Lacks(lack), true) = (standing, is_new) {
            caption::draw_lack(sheet, place, scale, lack, meaning);
        }
        self.shown = Some(self.line.at(t_ns));
        let (Some(captions), Some(caption)) = (captions, caption) else { return Ok(()) };
        let subject = match standing {
            Standing::Frame(row) => {
                let number = self.line.number(row, trigger_ns);
                Subject::Frame { number, t_ns: self.line.rows()[row].t_ns }
            }
            Standing::Lacks(lack) => Subject::Lacks { lack, t_ns },
        };
        if is_new || matches!(subject, Subject::Lacks { .. }) {
            captions.draw(sheet, caption, scale, self.name, subject, meaning);
        }
        Ok(())
    }
}
