//! Finding a number that JSON cannot hold.
//!
//! serde_json writes NaN and infinities as null, which an optional field reads back as "left out": a configuration that was built in
//! code would silently lose its mistake. This serializer writes nothing and stops at the first such number.

use std::fmt::Display;

use serde::Serialize;
use serde::ser::{
    Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// The dotted path and the value of the first number of `value` that is NaN or infinite. O(size).
pub(super) fn first_not_finite<T: Serialize + ?Sized>(value: &T) -> Option<(String, f64)> {
    match value.serialize(Search { path: String::new() }) {
        Err(Stop::Found(path, number)) => Some((path, number)),
        // What cannot be serialized at all is reported by whoever serializes it.
        Ok(()) | Err(Stop::Other) => None,
    }
}

/// Why the search ended early.
#[derive(Debug)]
enum Stop {
    Found(String, f64),
    Other,
}

impl Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Found(path, number) => write!(f, "`{path}` is {number}"),
            Self::Other => f.write_str("not serializable"),
        }
    }
}

impl std::error::Error for Stop {}

impl serde::ser::Error for Stop {
    fn custom<T: Display>(_: T) -> Self {
        Self::Other
    }
}

/// Looks through one value.
struct Search {
    path: String,
}

/// Looks through the parts of one.
struct Parts {
    path: String,
    /// The number of the next item, or the name of the next field.
    next: usize,
    key: String,
}

impl Search {
    fn parts(self) -> Parts {
        Parts { path: self.path, next: 0, key: String::new() }
    }
}

impl Parts {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        let path = format!("{}[{}]", self.path, self.next);
        self.next += 1;
        value.serialize(Search { path })
    }

    fn field<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<(), Stop> {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        value.serialize(Search { path })
    }
}

macro_rules! nothing_to_find {
    ($($method:ident($($kind:ty),*);)*) => {
        $(fn $method(self, $(_: $kind),*) -> Result<(), Stop> {
            Ok(())
        })*
    };
}

impl Serializer for Search {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    nothing_to_find! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_f32(self, value: f32) -> Result<(), Stop> {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), Stop> {
        if value.is_finite() { Ok(()) } else { Err(Stop::Found(self.path, value)) }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Stop> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Stop> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Stop> {
        self.parts().field(variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts, Stop> {
        Ok(self.parts())
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts, Stop> {
        Ok(self.parts())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts, Stop> {
        Ok(self.parts())
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Parts, Stop> {
        Ok(self.parts())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts, Stop> {
        Ok(self.parts())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts, Stop> {
        Ok(self.parts())
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Parts, Stop> {
        Ok(self.parts())
    }
}

macro_rules! items {
    ($($role:ident::$method:ident;)*) => {
        $(impl $role for Parts {
            type Ok = ();
            type Error = Stop;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
                self.item(value)
            }

            fn end(self) -> Result<(), Stop> {
                Ok(())
            }
        })*
    };
}

items! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

macro_rules! fields {
    ($($role:ident;)*) => {
        $(impl $role for Parts {
            type Ok = ();
            type Error = Stop;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Stop> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), Stop> {
                Ok(())
            }
        })*
    };
}

fields! {
    SerializeStruct;
    SerializeStructVariant;
}

impl SerializeMap for Parts {
    type Ok = ();
    type Error = Stop;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Stop> {
        let key = serde_json::to_value(key).map_err(Stop::custom)?;
        self.key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        self.field(&self.key, value)
    }

    fn end(self) -> Result<(), Stop> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize, Default)]
    struct Config {
        name: &'static str,
        plain: f64,
        optional: Option<f32>,
        list: Vec<(u32, f64)>,
        map: BTreeMap<String, Option<f64>>,
        #[serde(flatten)]
        flat: BTreeMap<String, f64>,
    }

    fn path(config: &Config) -> Option<String> {
        first_not_finite(config).map(|(path, _)| path)
    }

    #[test]
    fn every_place_is_looked_at() {
        assert_eq!(path(&Config { name: "x", list: vec![(1, 2.0)], ..Config::default() }), None);
        assert_eq!(path(&Config { plain: f64::INFINITY, ..Config::default() }).as_deref(), Some("plain"));
        assert_eq!(path(&Config { optional: Some(f32::NAN), ..Config::default() }).as_deref(), Some("optional"));
        let list = vec![(1, 0.0), (2, f64::NAN)];
        assert_eq!(path(&Config { list, ..Config::default() }).as_deref(), Some("list[1][1]"));
        let map = BTreeMap::from([("a".to_owned(), None), ("b".to_owned(), Some(f64::NAN))]);
        assert_eq!(path(&Config { map, ..Config::default() }).as_deref(), Some("map.b"));
        let flat = BTreeMap::from([("c".to_owned(), f64::NEG_INFINITY)]);
        assert_eq!(path(&Config { flat, ..Config::default() }).as_deref(), Some("c"));
    }
}
