//! What a test expects the cluster to be: shards by node name.

/// Slots as inclusive ranges, in order.
pub(crate) type Ranges = Vec<(u16, u16)>;

#[derive(Clone, Debug)]
pub(crate) struct Shard {
    pub(crate) primary: String,
    pub(crate) replicas: Vec<String>,
    pub(crate) slots: Ranges,
}

impl Shard {
    /// `slots` as `0-5461`, `0-99,200`, or empty for none.
    #[track_caller]
    pub(crate) fn new(primary: &str, replicas: &[&str], slots: &str) -> Self {
        Self {
            primary: primary.to_owned(),
            replicas: replicas.iter().map(ToString::to_string).collect(),
            slots: slots
                .split(',')
                .filter(|range| !range.is_empty())
                .map(|range| parse_range(range).unwrap_or_else(|| panic!("not a range: {range}")))
                .collect(),
        }
    }

    /// Three shards of a primary on host1 and a replica on host2: the cluster of the manual way.
    pub(crate) fn seed() -> Vec<Self> {
        vec![
            Self::new("host1:7000", &["host2:7000"], "0-5461"),
            Self::new("host1:7001", &["host2:7001"], "5462-10922"),
            Self::new("host1:7002", &["host2:7002"], "10923-16383"),
        ]
    }

    /// The seed and a fourth pair that owns no slot.
    pub(crate) fn grown() -> Vec<Self> {
        let mut shards = Self::seed();
        shards.push(Self::new("host1:7003", &["host2:7003"], ""));
        shards
    }

    /// `count` shards of a primary on host1 and a replica on host2, the slots spread evenly.
    pub(crate) fn even(count: u16) -> Vec<Self> {
        (0..count)
            .map(|number| {
                let port = super::launch::FIRST_PORT + number;
                let first = share(number, count);
                let last = share(number + 1, count) - 1;
                Self::new(
                    &format!("host1:{port}"),
                    &[&format!("host2:{port}")],
                    &format!("{first}-{last}"),
                )
            })
            .collect()
    }
}

/// The first slot of the `number`th of `count` even parts.
fn share(number: u16, count: u16) -> u32 {
    u32::from(number) * 16384 / u32::from(count)
}

/// `5` or `5-9`, as CLUSTER NODES and the tests write it.
pub(crate) fn parse_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// CRC16 (XMODEM) of a key without a hash tag, by 16384.
pub(crate) fn slot_of(key: &[u8]) -> u16 {
    let crc = key.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => (crc << 1) ^ 0x1021,
        })
    });
    crc % 16384
}
