//! Changes of inputs, by a generator that a seed repeats.

/// What parsers are touchy about.
const WORDS: [&str; 36] = [
    "\n",
    "\r\n",
    "\0",
    "\u{1b}[2J",
    "\u{9b}",
    "\u{202e}",
    "é",
    "-1",
    "0",
    "16383",
    "16384",
    "65535",
    "65536",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "1e999",
    "myself",
    "master",
    "slave",
    "fail",
    "noaddr",
    "handshake",
    "[5->-",
    "[5-<-",
    "]",
    "@",
    ":",
    ",",
    "::1",
    "{",
    "}",
    "&a",
    "*a",
    "\u{1d}",
];

/// A source of changed inputs.
pub(crate) struct Changes {
    state: u64,
}

impl Changes {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed | 1 }
    }

    /// One of the inputs, changed once or several times.
    pub(crate) fn of(&mut self, inputs: &[Vec<u8>]) -> Vec<u8> {
        let mut input = inputs[self.below(inputs.len())].clone();
        for _ in 0..=self.below(6) {
            self.change(&mut input, inputs);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, inputs: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        let end = at + self.below((input.len() - at).min(40) + 1);
        match self.below(9) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << (self.state % 8);
                }
            }
            1 => {
                let byte = u8::try_from(self.below(256)).unwrap_or_default();
                input.insert(at, byte);
            }
            2 => drop(input.drain(at..end)),
            3 => {
                let part = input[at..end].to_vec();
                input.splice(at..at, part);
            }
            4 | 5 => {
                let word = WORDS[self.below(WORDS.len())];
                input.splice(at..end, word.bytes());
            }
            6 => {
                let other = &inputs[self.below(inputs.len())];
                let from = self.below(other.len() + 1);
                let to = from + self.below((other.len() - from).min(200) + 1);
                input.splice(at..end, other[from..to].iter().copied());
            }
            7 => self.number(input, at),
            _ => {
                // Two parts change places.
                let mut parts: Vec<&[u8]> = input.split(|byte| b" \n".contains(byte)).collect();
                let (one, other) = (self.below(parts.len()), self.below(parts.len()));
                parts.swap(one, other);
                *input = parts.join(&b' ');
            }
        }
    }

    /// The first number behind a place becomes another.
    fn number(&mut self, input: &mut Vec<u8>, at: usize) {
        let digit = |byte: &u8| byte.is_ascii_digit();
        let Some(first) = input[at..].iter().position(digit).map(|more| at + more) else {
            return;
        };
        let length = input[first..].iter().take_while(|byte| digit(byte)).count();
        let number = match self.below(3) {
            0 => self.next() % 20_000,
            1 => self.next() % 10,
            _ => self.next(),
        };
        input.splice(first..first + length, number.to_string().bytes());
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(1);
        usize::try_from(self.next() % end).unwrap_or_default()
    }

    /// xorshift64*
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 7
    }
}
