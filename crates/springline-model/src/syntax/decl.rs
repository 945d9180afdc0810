//! The macro that declares a mapping of the language: one list of keys gives the struct, its reading
//! with every problem reported, and its description as data.

/// Declares mappings. `open` after the name adds `settings`, which takes the keys that are not named.
/// A key is required unless its type is `Option<…>` or `Vec<…>`.
macro_rules! decl {
    ($($(#[doc = $doc:literal])+ $name:ident $(($open:ident))? {
        $($(#[doc = $field_doc:literal])+ $field:ident: $ty:ty,)*
    })*) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone)]
        #[allow(dead_code, reason = "what is taken from the tree before it is decoded is declared for its shape")]
        pub(crate) struct $name {
            $($(#[doc = $field_doc])+ pub $field: $ty,)*
            $(#[doc = "The keys that the engine or destination knows."] pub $open: Vec<$crate::syntax::SettingDecl>,)?
        }

        impl $name {
            /// The keys, in the order in which they are best written.
            const KEYS: &'static [&'static str] = &[$($crate::syntax::decode::key_name(stringify!($field))),*];
        }

        impl $crate::syntax::Decode for $name {
            fn decode(node: &$crate::syntax::node::Node, out: &mut Vec<$crate::Diagnostic>) -> Option<Self> {
                let open = false $(|| !stringify!($open).is_empty())?;
                let mut keys = $crate::syntax::decode::Keys::new(stringify!($name), node, Self::KEYS, open, out)?;
                // Every key is read before the first missing one ends it, so that all problems show.
                $(let $field = keys.take::<$ty>($crate::syntax::decode::key_name(stringify!($field)), out);)*
                $(let $open = keys.settings(out);)?
                Some($name { $($field: $field?,)* $($open,)? })
            }

            fn shape() -> $crate::syntax::decode::Shape {
                const SHAPE: &$crate::syntax::decode::MappingShape = &$crate::syntax::decode::MappingShape {
                    name: stringify!($name),
                    docs: &[$($doc),+],
                    keys: &[$($crate::syntax::decode::KeyShape {
                        name: $crate::syntax::decode::key_name(stringify!($field)),
                        docs: &[$($field_doc),+],
                        required: <$ty as $crate::syntax::Decode>::REQUIRED,
                        shape: <$ty as $crate::syntax::Decode>::shape,
                    }),*],
                    open: false $(|| !stringify!($open).is_empty())?,
                };
                $crate::syntax::decode::Shape::Mapping(SHAPE)
            }
        }
    )*};
}

pub(crate) use decl;
