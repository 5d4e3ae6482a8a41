//! A resource as JSON without some of its fields, which are left out as it is written.

use serde::Serialize;
use serde::ser::{Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple};
use serde_json::{Error, Map, Value};

/// What is left out, and what becomes of the rest.
pub(crate) trait Choice: Copy {
    /// Whether a field is left out, by its name.
    fn leaves_out(self, name: &str) -> bool;
    /// Whether a field is left out for what it is, once it is written.
    fn is_dropped(self, value: &Value) -> bool;
    /// What becomes of a reference: an object that has an id and nothing else.
    fn reference(self, id: String) -> Value;
}

/// How many fields there is room for where nobody says how many come.
const SOME: usize = 8;

/// ARM's JSON has no variants and tuples of a type.
fn no_json(name: &str) -> Error {
    serde::ser::Error::custom(format!("{name} has a form that ARM's JSON has not"))
}

/// Writes what is left.
#[derive(Clone, Copy)]
pub(crate) struct Kept<C>(pub(super) C);

/// The fields of an object so far.
pub(crate) struct Fields<C> {
    kept: Kept<C>,
    written: Map<String, Value>,
    /// How many there are, with those that are left out.
    count: usize,
    /// Its id, where it has one.
    id: Option<String>,
    /// The name of the next.
    name: String,
}

/// The items of a list so far.
pub(crate) struct Items<C> {
    kept: Kept<C>,
    written: Vec<Value>,
}

impl<C: Choice> Fields<C> {
    fn add<T: Serialize + ?Sized>(&mut self, name: String, value: &T) -> Result<(), Error> {
        self.count += 1;
        if name == "id" && self.count == 1 {
            self.id = match value.serialize(serde_json::value::Serializer)? {
                Value::String(id) => Some(id),
                _ => None,
            };
        }
        if self.kept.0.leaves_out(&name) {
            return Ok(());
        }
        let value = value.serialize(self.kept)?;
        if !self.kept.0.is_dropped(&value) {
            self.written.insert(name, value);
        }
        Ok(())
    }

    fn done(self) -> Value {
        match self.id {
            Some(id) if self.count == 1 => self.kept.0.reference(id),
            _ => Value::Object(self.written),
        }
    }
}

impl<C: Choice> SerializeMap for Fields<C> {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.name = match key.serialize(serde_json::value::Serializer)? {
            Value::String(name) => name,
            other => other.to_string(),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let name = std::mem::take(&mut self.name);
        self.add(name, value)
    }

    fn end(self) -> Result<Value, Error> {
        Ok(self.done())
    }
}

impl<C: Choice> SerializeStruct for Fields<C> {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.add(name.to_owned(), value)
    }

    fn end(self) -> Result<Value, Error> {
        Ok(self.done())
    }
}

impl<C: Choice> SerializeSeq for Items<C> {
    type Ok = Value;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.written.push(value.serialize(self.kept)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        Ok(Value::Array(self.written))
    }
}

impl<C: Choice> SerializeTuple for Items<C> {
    type Ok = Value;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Value, Error> {
        SerializeSeq::end(self)
    }
}

/// What has no fields is written as ever.
macro_rules! as_ever {
    ($($name:ident($($value:ident: $of:ty),*);)+) => {
        $(fn $name(self, $($value: $of),*) -> Result<Value, Error> {
            serde_json::value::Serializer.$name($($value),*)
        })+
    };
}

impl<C: Choice> serde::Serializer for Kept<C> {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Items<C>;
    type SerializeTuple = Items<C>;
    type SerializeTupleStruct = Impossible<Value, Error>;
    type SerializeTupleVariant = Impossible<Value, Error>;
    type SerializeMap = Fields<C>;
    type SerializeStruct = Fields<C>;
    type SerializeStructVariant = Impossible<Value, Error>;

    as_ever! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_f32(value: f32);
        serialize_f64(value: f64);
        serialize_char(value: char);
        serialize_str(value: &str);
        serialize_bytes(value: &[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<Value, Error> {
        Err(no_json(name))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items<C>, Error> {
        Ok(Items { kept: self, written: Vec::with_capacity(length.unwrap_or_default()) })
    }

    fn serialize_tuple(self, length: usize) -> Result<Items<C>, Error> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleStruct, Error> {
        Err(no_json(name))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(no_json(name))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Fields<C>, Error> {
        let written = Map::with_capacity(length.unwrap_or(SOME));
        Ok(Fields { kept: self, written, count: 0, id: None, name: String::new() })
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStruct, Error> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Err(no_json(name))
    }
}
