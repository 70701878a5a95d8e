//! Protocol buffers read field by field: as much as an answer needs, or a message of our own.

/// The fields of a message, in their order. Ends at the first one that is not sound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    sound: bool,
}

/// A field's number and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) number: u64,
    /// All of it, its number included.
    pub(crate) raw: &'a [u8],
    value: Value<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value<'a> {
    Varint(u64),
    Fixed,
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    /// Its value, if it is field `number` and bytes, a string or a message.
    pub(crate) fn bytes(self, number: u64) -> Option<&'a [u8]> {
        match self.value {
            Value::Bytes(bytes) if self.number == number => Some(bytes),
            _ => None,
        }
    }

    /// Its value, if it is field `number` and an integer.
    pub(crate) fn uint(self, number: u64) -> Option<u64> {
        match self.value {
            Value::Varint(value) if self.number == number => Some(value),
            _ => None,
        }
    }
}

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Fields<'a> {
        Fields { rest: message, sound: true }
    }

    /// Whether everything was read, and all of it was sound.
    #[cfg(feature = "remote-write")]
    pub(crate) fn is_whole(&self) -> bool {
        self.sound && self.rest.is_empty()
    }

    fn field(&mut self) -> Option<Field<'a>> {
        let before = self.rest;
        let tag = varint(&mut self.rest)?;
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            5 => self.take(4).map(|_| Value::Fixed)?,
            2 => {
                let len = usize::try_from(varint(&mut self.rest)?).ok()?;
                Value::Bytes(self.take(len)?)
            }
            // Groups are of the past.
            _ => return None,
        };
        let raw = &before[..before.len() - self.rest.len()];
        Some(Field { number: tag >> 3, raw, value })
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.rest.is_empty() || !self.sound {
            return None;
        }
        let field = self.field();
        self.sound = field.is_some();
        field
    }
}

/// A variable-length integer at the start of `bytes`, which is taken off.
pub(crate) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (at, &byte) in bytes.iter().enumerate().take(10) {
        let part = u64::from(byte & 0x7F);
        // The tenth byte has room for one bit.
        if at == 9 && part > 1 {
            return None;
        }
        value |= part << (7 * at);
        if byte < 0x80 {
            *bytes = &bytes[at + 1..];
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::wire::Wire as _;

    #[test]
    fn what_was_written_is_read() {
        let mut message = Vec::new();
        message.uint(1, u64::MAX);
        message.double(2, 0.5);
        message.bytes(3, b"text");
        message.message(70_000, |out| out.uint(1, 150));
        let fields: Vec<Field<'_>> = Fields::of(&message).collect();
        assert_eq!(fields.len(), 4);
        assert_eq!(
            (fields[0].uint(1), fields[0].uint(2), fields[0].bytes(1)),
            (Some(u64::MAX), None, None)
        );
        assert_eq!((fields[1].number, fields[1].uint(2)), (2, None));
        let raw: Vec<u8> = fields.iter().flat_map(|field| field.raw.to_vec()).collect();
        assert_eq!(raw, message);
        assert_eq!(fields[2].bytes(3), Some(&b"text"[..]));
        let inner = fields[3].bytes(70_000).unwrap();
        assert_eq!(Fields::of(inner).next().unwrap().uint(1), Some(150));
    }

    #[test]
    fn what_is_cut_off_or_no_field_ends_it() {
        for (message, sound) in [
            (&b"\x08\x01\x08"[..], 1),
            (b"\x08\x01\x12\x05abc", 1),
            (b"\x08\x80", 0),
            (b"\x0b\x08\x01\x0c", 0),
            (b"\x09abc", 0),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 0),
            (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01abc", 0),
        ] {
            assert_eq!(Fields::of(message).count(), sound, "{message:?}");
        }
    }
}
