//! Everything that a device offers, asked of it call by call.

use rustix::io::Errno;

use super::choose::{Offered, OfferedSize};
use super::format::FourCc;
use super::kernel::{Device, FrameInterval, FrameSize};

/// More than any camera has of formats, sizes or rates: a driver that never comes to an end isn't followed further.
const MOST: u32 = 256;

/// Asks a device for its formats with their sizes and rates. `size` is the one whose rates are asked for where sizes are a row.
///
/// # Errors
/// The device's, if it is gone or fails.
pub(crate) fn offered(device: &dyn Device, size: Option<(u32, u32)>) -> Result<Vec<Offered>, Errno> {
    let mut all: Vec<Offered> = Vec::new();
    for format in every(|index| device.format(index))? {
        // A driver may name one twice, by two descriptions.
        if all.iter().all(|offer| offer.format != format) {
            all.push(Offered { format, sizes: sizes(device, format, size)? });
        }
    }
    Ok(all)
}

fn sizes(device: &dyn Device, format: FourCc, wanted: Option<(u32, u32)>) -> Result<Vec<OfferedSize>, Errno> {
    every(|index| device.frame_size(index, format))?
        .into_iter()
        .map(|size| {
            let asked = match size {
                FrameSize::Discrete(w, h) => (w, h),
                FrameSize::Stepwise { most, .. } => wanted.unwrap_or(most),
            };
            let intervals: Vec<FrameInterval> = every(|index| device.frame_interval(index, format, asked))?;
            Ok(OfferedSize { size, intervals })
        })
        .collect()
}

/// The answers to a question with a rising number, up to the first refusal.
fn every<T>(ask: impl Fn(u32) -> Result<T, Errno>) -> Result<Vec<T>, Errno> {
    let mut answers = Vec::new();
    for index in 0..MOST {
        match ask(index) {
            Ok(answer) => answers.push(answer),
            Err(error @ (Errno::NODEV | Errno::IO)) => return Err(error),
            // EINVAL behind the last; ENOTTY and others from drivers that don't tell.
            Err(_) => break,
        }
    }
    Ok(answers)
}
