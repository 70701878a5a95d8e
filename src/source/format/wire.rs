//! Protobuf's wire format, as far as reading needs it. Fields that nobody asks for are passed over, as the format wants it.

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(&'a [u8]),
}

/// Takes a number.
pub(super) fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0u64;
    for shift in 0..10 {
        let (&byte, rest) = bytes.split_first().ok_or("it ends within a number")?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F).wrapping_shl(7 * shift);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("a number has more than ten bytes".to_owned())
}

/// Takes so many bytes.
pub(super) fn take<'a>(bytes: &mut &'a [u8], len: u64) -> Result<&'a [u8], String> {
    let split = usize::try_from(len).ok().and_then(|len| bytes.split_at_checked(len));
    let (taken, rest) =
        split.ok_or_else(|| format!("a field has {len} bytes, and {} are left", bytes.len()))?;
    *bytes = rest;
    Ok(taken)
}

/// Calls `each` with the fields of a message, in order.
pub(super) fn fields<'a>(
    mut bytes: &'a [u8],
    mut each: impl FnMut(u64, Field<'a>) -> Result<(), String>,
) -> Result<(), String> {
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let field = match key & 7 {
            0 => Field::Varint(varint(&mut bytes)?),
            1 => {
                let mut fixed = [0; 8];
                fixed.copy_from_slice(take(&mut bytes, 8)?);
                Field::Fixed64(u64::from_le_bytes(fixed))
            }
            2 => {
                let len = varint(&mut bytes)?;
                Field::Bytes(take(&mut bytes, len)?)
            }
            5 => {
                take(&mut bytes, 4)?;
                Field::Fixed32
            }
            other => return Err(format!("field {} has wire type {other}", key >> 3)),
        };
        each(key >> 3, field)?;
    }
    Ok(())
}

/// A signed number that is written with its sign last.
pub(super) fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

impl<'a> Field<'a> {
    pub(super) fn uint(self) -> Result<u64, String> {
        match self {
            Field::Varint(value) => Ok(value),
            other => Err(format!("expected a number, found {}", other.name())),
        }
    }

    pub(super) fn double(self) -> Result<f64, String> {
        match self {
            Field::Fixed64(bits) => Ok(f64::from_bits(bits)),
            other => Err(format!("expected a double, found {}", other.name())),
        }
    }

    pub(super) fn bytes(self) -> Result<&'a [u8], String> {
        match self {
            Field::Bytes(bytes) => Ok(bytes),
            other => Err(format!("expected a text or a message, found {}", other.name())),
        }
    }

    pub(super) fn text(self) -> Result<String, String> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| "a text is not UTF-8")?;
        Ok(text.to_owned())
    }

    /// Appends numbers that may stand one by one, or packed.
    pub(super) fn packed(self, out: &mut Vec<i64>) -> Result<(), String> {
        match self {
            Field::Varint(value) => out.push(zigzag(value)),
            other => {
                let mut bytes = other.bytes()?;
                while !bytes.is_empty() {
                    out.push(zigzag(varint(&mut bytes)?));
                }
            }
        }
        Ok(())
    }

    /// As [`Field::packed`], of doubles.
    pub(super) fn packed_doubles(self, out: &mut Vec<f64>) -> Result<(), String> {
        match self {
            Field::Fixed64(bits) => out.push(f64::from_bits(bits)),
            other => {
                let (chunks, rest) = other.bytes()?.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err("packed doubles end within one".to_owned());
                }
                out.extend(chunks.iter().map(|chunk| f64::from_le_bytes(*chunk)));
            }
        }
        Ok(())
    }

    fn name(self) -> &'static str {
        match self {
            Field::Varint(_) => "a number",
            Field::Fixed64(_) => "64 bits",
            Field::Fixed32 => "32 bits",
            Field::Bytes(_) => "bytes",
        }
    }
}
