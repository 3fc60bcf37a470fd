//! CRC-32 as ZIP wants it (ISO 3309, polynomial 0xEDB88320 reflected), eight bytes at a time: Kounavis and Berry, "Novel
//! Table Lookup-Based Algorithms for High-Performance CRC Generation" (2008).

const TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte: u32 = 0;
    while byte < 256 {
        let mut sum = byte;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte as usize] = sum;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before: u32 = tables[table - 1][byte];
            tables[table][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// The sum of `bytes` behind those with the sum `before`, which is 0 at the beginning.
pub(crate) fn add(before: u32, bytes: &[u8]) -> u32 {
    let (eights, rest) = bytes.as_chunks::<8>();
    let mut sum = !before;
    for eight in eights {
        let word = u64::from_le_bytes(*eight) ^ u64::from(sum);
        sum = word
            .to_le_bytes()
            .into_iter()
            .zip(TABLES.iter().rev())
            .fold(0, |sum, (byte, table)| sum ^ table[usize::from(byte)]);
    }
    for byte in rest {
        let [low, ..] = sum.to_le_bytes();
        sum = sum >> 8 ^ TABLES[0][usize::from(low ^ byte)];
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_of_everybody() {
        // The check value of CRC-32/ISO-HDLC, and what `gzip -lv` says of the rest.
        assert_eq!(add(0, b"123456789"), 0xCBF4_3926);
        assert_eq!(add(0, b""), 0);
        assert_eq!(add(0, b"The quick brown fox jumps over the lazy dog"), 0x414F_A339);
        assert_eq!(add(0, &[0; 32]), 0x190A_55AD);
    }

    #[test]
    fn a_sum_may_be_made_in_pieces() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        let whole = add(0, &bytes);
        for cut in [1, 7, 8, 9, 500, 999] {
            assert_eq!(add(add(0, &bytes[..cut]), &bytes[cut..]), whole, "{cut}");
        }
    }
}
