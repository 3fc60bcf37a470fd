//! What a camera's pictures say of themselves and a clip's file can't: told by `check` before, and by the manifest after.

use crate::codec::Codec;
use crate::frame::{FieldOrder, PictureTags, Rotation};

/// Sentences about a camera's pictures, each without its beginning "camera NAME: ". None when a file of this codec, in the
/// container that it is expected in, says all that the pictures do.
#[must_use]
pub fn untold(tags: &PictureTags, codec: Codec) -> Vec<String> {
    untold_in(tags, codec, codec.extension())
}

/// The same for a file whose name ends so, dot included: copied pictures may be in another container.
#[must_use]
pub fn untold_in(tags: &PictureTags, codec: Codec, ending: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    let is_avi = ending == ".avi";
    if is_avi && tags.rotation != Rotation::None {
        let degrees = tags.rotation.degrees();
        sentences.push(format!(
            "its pictures are to be turned by {degrees} degrees clockwise, and {codec} can't say so: turn them in the \
             player, or record with H264"
        ));
    }
    let order = match tags.fields {
        FieldOrder::TopFirst => Some("top"),
        FieldOrder::BottomFirst => Some("bottom"),
        FieldOrder::Unspecified | FieldOrder::Progressive => None,
    };
    if let Some(order) = order {
        sentences.push(format!(
            "its pictures are interlaced, the {order} field first; clips keep the lines as they are and don't say so: have \
             the player deinterlace"
        ));
    }
    if is_avi {
        let transfer = match tags.transfer {
            PictureTags::PQ => Some("PQ"),
            PictureTags::HLG => Some("HLG"),
            _ => None,
        };
        if let Some(transfer) = transfer {
            sentences.push(format!(
                "its colours are {transfer} (HDR), and {codec} can't say so: players show them pale; record with H264"
            ));
        } else if tags.primaries == PictureTags::BT2020 {
            sentences.push(format!(
                "its primary colours are those of BT.2020, and {codec} can't say so: players show them pale; record \
                 with H264"
            ));
        }
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copied_pictures_in_quicktime_are_turned_by_the_file() {
        let turned = PictureTags { rotation: Rotation::Half, ..PictureTags::default() };
        assert_eq!(untold_in(&turned, Codec::Mjpg, ".mov"), Vec::<String>::new());
        assert_eq!(untold_in(&turned, Codec::Mjpg, ".avi").len(), 1);
    }

    #[test]
    fn only_what_a_file_can_not_say_is_told() {
        let plain = PictureTags::made_as(crate::frame::PixelFormat::I420);
        let turned = PictureTags { rotation: Rotation::Quarter, ..plain };
        let woven = PictureTags { fields: FieldOrder::BottomFirst, ..plain };
        let pq = PictureTags { primaries: PictureTags::BT2020, transfer: PictureTags::PQ, ..plain };
        let wide = PictureTags { primaries: PictureTags::BT2020, ..plain };
        for codec in [Codec::H264, Codec::Avc1, Codec::Mp4v, Codec::Mjpg, Codec::Xvid] {
            let is_avi = matches!(codec, Codec::Mjpg | Codec::Xvid);
            for (tags, words, is_told) in [
                (plain, "", false),
                (turned, "by 90 degrees", is_avi),
                (woven, "the bottom field first", true),
                (pq, "PQ (HDR)", is_avi),
                (wide, "BT.2020", is_avi),
            ] {
                let told = untold(&tags, codec);
                assert_eq!(told.len(), usize::from(is_told), "{codec}: {told:?}");
                assert!(told.iter().all(|sentence| sentence.contains(words)), "{codec}: {told:?}");
            }
        }
    }
}
