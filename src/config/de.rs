//! Typed values from the tree, keys in declared order.

use super::problem::Span;
use super::tree::{Node, Value};
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use std::fmt;

/// Why a node is no value of its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// What is wrong.
    pub message: String,
    /// The innermost node that was being read: what serde reads first and judges later, as it does where a value has
    /// several forms, is shown where the mapping or list begins that holds it.
    pub span: Option<Span>,
}

impl Error {
    fn at(mut self, node: &Node) -> Error {
        self.span.get_or_insert(node.span);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Error {
        Error { message: message.to_string(), span: None }
    }
}

/// A node as serde reads it.
#[derive(Clone, Copy)]
pub struct Reading<'de>(pub &'de Node);

impl<'de> IntoDeserializer<'de, Error> for Reading<'de> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Reading<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let read = match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_borrowed_str(value),
            Value::List(items) => visitor.visit_seq(SeqDeserializer::new(items.iter().map(Reading))),
            Value::Map(entries) => visitor.visit_map(MapDeserializer::new(
                entries.iter().map(|(key, node)| (key.name.as_str(), Reading(node))),
            )),
        };
        read.map_err(|error| error.at(self.0))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let read = match &self.0.value {
            Value::Text(text) => {
                let word: serde::de::value::StrDeserializer<'_, Error> = text.as_str().into_deserializer();
                word.deserialize_enum(name, variants, visitor)
            }
            _ => Err(serde::de::Error::custom("expected a word")),
        };
        read.map_err(|error| error.at(self.0))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    fn refused<'de, T: Deserialize<'de> + std::fmt::Debug>(node: &'de Node) -> (String, Option<(u32, u32)>) {
        let error = T::deserialize(Reading(node)).unwrap_err();
        (error.message, error.span.map(|span| (span.line, span.column)))
    }

    #[test]
    fn an_error_knows_the_innermost_node() {
        let node = tree::parse("a: [1]\nb: [2, x]\n").unwrap();
        let (message, at) = refused::<BTreeMap<String, Vec<u32>>>(&node);
        assert_eq!((message.contains("string \"x\""), at), (true, Some((2, 8))), "{message}");
        let node = tree::parse("\na: x\nb: { c: 1 }\n").unwrap();
        let (message, at) = refused::<BTreeMap<String, crate::config::settings::OneOrMany>>(&node);
        assert_eq!((message.contains("OneOrMany"), at.map(|at| at.0)), (true, Some(2)), "{message}");
        let node = tree::parse("a: all\n").unwrap();
        let (_, at) = refused::<BTreeMap<String, crate::config::settings::Status>>(&node);
        assert_eq!(at, Some((1, 4)));
    }
}
