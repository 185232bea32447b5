//! What a pickle would do if somebody loaded it, told from its opcodes: nothing is loaded.
//!
//! A pickle is a program for a small machine with a stack. Here the machine runs without doing
//! anything: strings stay strings, names stay names, and calls are written down. What was seen
//! before a pickle breaks off counts, because a loader would have done that much.
//!
//! There is no list of what is bad. There is a short one of names that rebuild arrays and
//! containers; whatever else is called is code of whoever made the file.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

#[cfg(test)]
mod tests;

/// What a pickle would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pickle {
    /// Names that it imports, and what each is for; in the order in which they are first seen.
    pub names: Vec<Name>,
    /// Why it could not be followed to its end.
    pub broken: Option<&'static str>,
}

/// A name that is imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Module and name; marks that no name has are left out.
    pub name: String,
    /// Whether it is called, and not only mentioned.
    pub called: bool,
    /// Whether it is one of those that rebuild data.
    pub rebuilds_data: bool,
}

/// Follows a pickle. `None` if the bytes are none: they have no head of one, and call nothing.
pub fn scan(bytes: &mut dyn Read) -> io::Result<Option<Pickle>> {
    let mut machine = Machine {
        input: BufReader::new(bytes.take(SIZE_MAX)),
        stack: Vec::new(),
        memo: BTreeMap::new(),
        next_memo: 0,
        found: Pickle::default(),
    };
    let mut has_head = false;
    let mut steps = 0_u64;
    loop {
        match machine.step() {
            Ok(Step::Head) if steps == 0 => has_head = true,
            Ok(Step::Head | Step::Next) => {}
            Ok(Step::Stop) => break,
            Err(Broken::Io(error)) => return Err(error),
            Err(Broken::Because(why)) => {
                machine.found.broken = Some(why);
                break;
            }
        }
        steps += 1;
        if steps == STEP_COUNT_MAX {
            machine.found.broken = Some("it has too many steps");
            break;
        }
    }
    let found = machine.found;
    let calls = found.names.iter().any(|name| name.called);
    // Text may begin as a pickle of the first protocol does; it calls nothing before it breaks.
    Ok((has_head || calls || (found.broken.is_none() && 1 < steps)).then_some(found))
}

enum Step {
    Head,
    Next,
    Stop,
}

enum Broken {
    Io(io::Error),
    Because(&'static str),
}

/// What lies on the stack, as far as it matters.
#[derive(Clone)]
enum Value {
    Mark,
    Text(String),
    /// A name, by its place in what was found.
    Name(usize),
    Other,
}

struct Machine<'a> {
    input: BufReader<io::Take<&'a mut dyn Read>>,
    stack: Vec<Value>,
    memo: BTreeMap<u64, Value>,
    next_memo: u64,
    found: Pickle,
}

impl Machine<'_> {
    fn step(&mut self) -> Result<Step, Broken> {
        let [code] = self.take()?;
        match code {
            b'.' => return Ok(Step::Stop),
            0x80 => {
                let [version] = self.take()?;
                if 5 < version {
                    return Err(Broken::Because("its protocol is not known"));
                }
                return Ok(Step::Head);
            }
            0x95 => {
                let _: [u8; 8] = self.take()?;
            }
            _ if self.constant(code)? || self.container(code)? || self.memory(code)? => {}
            _ => self.name_or_call(code)?,
        }
        Ok(Step::Next)
    }

    /// Opcodes that put a value on the stack.
    fn constant(&mut self, code: u8) -> Result<bool, Broken> {
        match code {
            b'I' | b'L' | b'F' => {
                self.line()?;
                self.push(Value::Other)?;
            }
            b'S' | b'V' => {
                let line = self.line()?;
                let text = line.trim_matches(['\'', '"']).to_owned();
                self.push(Value::Text(text))?;
            }
            b'K' => self.fixed::<1>()?,
            b'M' => self.fixed::<2>()?,
            b'J' => self.fixed::<4>()?,
            b'G' => self.fixed::<8>()?,
            b'N' | 0x88 | 0x89 | 0x97 => self.push(Value::Other)?,
            0x8a | b'C' => {
                let [length] = self.take()?;
                self.skip(u64::from(length))?;
                self.push(Value::Other)?;
            }
            0x8b | b'B' => {
                let length = u32::from_le_bytes(self.take()?);
                self.skip(u64::from(length))?;
                self.push(Value::Other)?;
            }
            0x8e | 0x96 => {
                let length = u64::from_le_bytes(self.take()?);
                self.skip(length)?;
                self.push(Value::Other)?;
            }
            b'U' | 0x8c => {
                let [length] = self.take()?;
                self.text(u64::from(length))?;
            }
            b'T' | b'X' => {
                let length = u32::from_le_bytes(self.take()?);
                self.text(u64::from(length))?;
            }
            0x8d => {
                let length = u64::from_le_bytes(self.take()?);
                self.text(length)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Opcodes that build containers.
    fn container(&mut self, code: u8) -> Result<bool, Broken> {
        match code {
            b']' | b')' | b'}' | 0x8f => self.push(Value::Other)?,
            b'(' => self.push(Value::Mark)?,
            b'a' => self.pop_many(1)?,
            b's' => self.pop_many(2)?,
            b'e' | b'u' | 0x90 | b'1' => self.pop_mark()?,
            b'l' | b't' | b'd' | 0x91 => {
                self.pop_mark()?;
                self.push(Value::Other)?;
            }
            0x85 => self.replace(1)?,
            0x86 => self.replace(2)?,
            0x87 => self.replace(3)?,
            b'0' => self.pop_many(1)?,
            b'2' => {
                let top = self.stack.last().cloned().ok_or(EMPTY)?;
                self.push(top)?;
            }
            0x98 => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Opcodes that remember and recall.
    fn memory(&mut self, code: u8) -> Result<bool, Broken> {
        let at = match code {
            b'p' | b'g' => {
                let line = self.line()?;
                line.trim().parse().map_err(|_| Broken::Because("a place is no number"))?
            }
            b'q' | b'h' => u64::from(u8::from_le_bytes(self.take()?)),
            b'r' | b'j' => u64::from(u32::from_le_bytes(self.take()?)),
            0x94 => self.next_memo,
            _ => return Ok(false),
        };
        if matches!(code, b'g' | b'h' | b'j') {
            let value = self.memo.get(&at).cloned().unwrap_or(Value::Other);
            self.push(value)?;
        } else {
            let top = self.stack.last().cloned().ok_or(EMPTY)?;
            if MEMO_COUNT_MAX <= self.memo.len() {
                return Err(Broken::Because("it remembers too much"));
            }
            self.memo.insert(at, top);
            self.next_memo = self.memo.len() as u64;
        }
        Ok(true)
    }

    /// Opcodes that import names and call them.
    fn name_or_call(&mut self, code: u8) -> Result<(), Broken> {
        match code {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let value = self.name(&module, &name)?;
                self.push(value)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let value = match (module, name) {
                    (Value::Text(module), Value::Text(name)) => self.name(&module, &name)?,
                    // Whoever hides a name has a reason to.
                    _ => self.name("", "a name that is put together while loading")?,
                };
                self.push(value)
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                let value = self.name(&module, &name)?;
                self.call(&value);
                self.pop_mark()?;
                self.push(Value::Other)
            }
            b'o' => {
                let from = self.stack.iter().rposition(|it| matches!(it, Value::Mark));
                let from = from.ok_or(EMPTY)?;
                let callee = self.stack.get(from + 1).cloned().unwrap_or(Value::Other);
                self.call(&callee);
                self.pop_mark()?;
                self.push(Value::Other)
            }
            b'R' | 0x81 => {
                self.pop()?;
                let callee = self.pop()?;
                self.call(&callee);
                self.push(Value::Other)
            }
            0x92 => {
                self.pop_many(2)?;
                let callee = self.pop()?;
                self.call(&callee);
                self.push(Value::Other)
            }
            // The state is given to the object, which may have a function for that.
            b'b' => self.pop_many(1),
            b'P' => {
                self.line()?;
                self.push(Value::Other)
            }
            b'Q' => self.replace(1),
            0x82..=0x84 => {
                let length = [1, 2, 4].get(usize::from(code - 0x82)).copied().unwrap_or(4);
                self.skip(length)?;
                let value = self.name("copyreg", "extension")?;
                self.push(value)
            }
            _ => Err(Broken::Because("it has an opcode that is not known")),
        }
    }

    fn name(&mut self, module: &str, name: &str) -> Result<Value, Broken> {
        let plain = |text: &str| -> String {
            let fits =
                |char: &char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | ' ');
            text.chars().filter(fits).take(NAME_LEN_MAX).collect()
        };
        let whole = format!("{}.{}", plain(module), plain(name));
        let whole = whole.trim_start_matches('.').to_owned();
        let rebuilds_data = REBUILDERS.binary_search(&&*whole).is_ok()
            || (module == "torch" && name.ends_with("Storage"));
        let known = self.found.names.iter().position(|it| it.name == whole);
        let at = match known {
            Some(at) => at,
            None if self.found.names.len() == NAME_COUNT_MAX => {
                return Err(Broken::Because("it has too many names"));
            }
            None => {
                self.found.names.push(Name { name: whole, called: false, rebuilds_data });
                self.found.names.len() - 1
            }
        };
        Ok(Value::Name(at))
    }

    fn call(&mut self, callee: &Value) {
        if let Value::Name(at) = callee
            && let Some(name) = self.found.names.get_mut(*at)
        {
            name.called = true;
        }
    }

    fn push(&mut self, value: Value) -> Result<(), Broken> {
        if self.stack.len() == STACK_COUNT_MAX {
            return Err(Broken::Because("its stack is too high"));
        }
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, Broken> {
        self.stack.pop().ok_or(EMPTY)
    }

    fn pop_many(&mut self, count: usize) -> Result<(), Broken> {
        let left = self.stack.len().checked_sub(count).ok_or(EMPTY)?;
        self.stack.truncate(left);
        Ok(())
    }

    fn pop_mark(&mut self) -> Result<(), Broken> {
        let mark =
            self.stack.iter().rposition(|value| matches!(value, Value::Mark)).ok_or(EMPTY)?;
        self.stack.truncate(mark);
        Ok(())
    }

    fn replace(&mut self, count: usize) -> Result<(), Broken> {
        self.pop_many(count)?;
        self.push(Value::Other)
    }

    fn fixed<const LENGTH: usize>(&mut self) -> Result<(), Broken> {
        let _: [u8; LENGTH] = self.take()?;
        self.push(Value::Other)
    }

    /// A text of this length; only what could be a name is kept.
    fn text(&mut self, length: u64) -> Result<(), Broken> {
        if NAME_LEN_MAX as u64 * 2 < length {
            self.skip(length)?;
            return self.push(Value::Other);
        }
        let mut bytes = Vec::new();
        self.input.by_ref().take(length).read_to_end(&mut bytes).map_err(Broken::Io)?;
        if (bytes.len() as u64) < length {
            return Err(CUT);
        }
        self.push(Value::Text(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn take<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Broken> {
        let mut bytes = [0; LENGTH];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(CUT),
            Err(error) => Err(Broken::Io(error)),
        }
    }

    fn skip(&mut self, length: u64) -> Result<(), Broken> {
        let mut part = self.input.by_ref().take(length);
        let skipped = io::copy(&mut part, &mut io::sink()).map_err(Broken::Io)?;
        if skipped < length { Err(CUT) } else { Ok(()) }
    }

    fn line(&mut self) -> Result<String, Broken> {
        let mut bytes = Vec::new();
        let limit = LINE_LEN_MAX;
        let mut part = self.input.by_ref().take(limit);
        part.read_until(b'\n', &mut bytes).map_err(Broken::Io)?;
        if bytes.pop() != Some(b'\n') {
            return Err(CUT);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

const EMPTY: Broken = Broken::Because("it takes from an empty stack");

const CUT: Broken = Broken::Because("it ends before it stops");

/// Names that rebuild arrays and containers, and do nothing else. Sorted.
const REBUILDERS: &[&str] = &[
    "__builtin__.bytearray",
    "__builtin__.complex",
    "__builtin__.frozenset",
    "__builtin__.set",
    "__builtin__.slice",
    "_codecs.encode",
    "builtins.bytearray",
    "builtins.complex",
    "builtins.frozenset",
    "builtins.range",
    "builtins.set",
    "builtins.slice",
    "collections.OrderedDict",
    "collections.deque",
    "datetime.date",
    "datetime.datetime",
    "datetime.timedelta",
    "decimal.Decimal",
    "joblib.numpy_pickle.NumpyArrayWrapper",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.dtype",
    "numpy.ndarray",
    "torch.Size",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch.device",
    "uuid.UUID",
];

/// As much of a pickle is followed.
const SIZE_MAX: u64 = 16 << 30;

/// A model of a billion objects has fewer steps.
const STEP_COUNT_MAX: u64 = 200_000_000;

/// Higher stacks are made to fill memory.
const STACK_COUNT_MAX: usize = 4_000_000;

/// Loaders remember as much, and whoever needs more remembers it twice.
const MEMO_COUNT_MAX: usize = 4_000_000;

/// No module has a longer name.
const NAME_LEN_MAX: usize = 120;

/// A pickle that imports more hides something among them.
const NAME_COUNT_MAX: usize = 10_000;

/// A number in decimal, or text, on one line.
const LINE_LEN_MAX: u64 = 16 << 20;
