//! Text in any encoding, as UTF-8.

use std::io::{self, Cursor, Read};

use encoding_rs::{CoderResult, Decoder, Encoding};

/// Bytes of a file, decoded to UTF-8 if they are in another encoding.
pub(crate) struct Decoded<'r> {
    inner: Box<dyn Read + 'r>,
    decoding: Option<Decoding>,
}

struct Decoding {
    decoder: Decoder,
    input: Vec<u8>,
    at: usize,
    ended: bool,
    finished: bool,
}

impl<'r> Decoded<'r> {
    /// Looks at the byte order mark and takes it away.
    pub(crate) fn new(
        mut inner: Box<dyn Read + 'r>,
        declared: Option<&'static Encoding>,
    ) -> io::Result<Self> {
        let mut head = Vec::with_capacity(MARK_LEN_MAX);
        (&mut *inner).take(MARK_LEN_MAX as u64).read_to_end(&mut head)?;
        let marked = Encoding::for_bom(&head);
        let encoding = marked.map(|(encoding, _)| encoding).or(declared);
        let length = marked.map_or(0, |(_, length)| length);
        let inner: Box<dyn Read + 'r> = Box::new(Cursor::new(head.split_off(length)).chain(inner));
        // UTF-8 is not decoded: what is not text is found record by record.
        let decoding = encoding.filter(|&found| found != encoding_rs::UTF_8).map(|encoding| {
            let decoder = encoding.new_decoder_without_bom_handling();
            Decoding { decoder, input: Vec::new(), at: 0, ended: false, finished: false }
        });
        Ok(Self { inner, decoding })
    }

    /// Returns whether what cannot be read is replaced by U+FFFD.
    pub(crate) fn may_replace(&self) -> bool {
        self.decoding.is_some()
    }
}

impl Read for Decoded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(decoding) = &mut self.decoding else { return self.inner.read(buffer) };
        if decoding.finished {
            return Ok(0);
        }
        // A decoder writes whole characters only.
        if buffer.len() < CHAR_LEN_MAX {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        loop {
            if decoding.at == decoding.input.len() && !decoding.ended {
                decoding.input.resize(INPUT_LEN, 0);
                let length = self.inner.read(&mut decoding.input)?;
                decoding.input.truncate(length);
                decoding.at = 0;
                decoding.ended = length == 0;
            }
            let input = &decoding.input[decoding.at..];
            let (result, read, written, _) =
                decoding.decoder.decode_to_utf8(input, buffer, decoding.ended);
            decoding.at += read;
            decoding.finished = decoding.ended && result == CoderResult::InputEmpty;
            if 0 < written || decoding.finished {
                return Ok(written);
            }
        }
    }
}

/// A byte order mark has two or three bytes.
const MARK_LEN_MAX: usize = 3;

/// A decoder may need this much room to get on, in bytes.
const CHAR_LEN_MAX: usize = 16;

/// How much is decoded at a time, in bytes.
const INPUT_LEN: usize = 1 << 15;
