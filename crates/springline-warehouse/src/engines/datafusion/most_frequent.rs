//! The aggregate `most_frequent(x)`: the value that occurs most often, nulls left out; of several the smallest; null
//! when there is none. It must not know tables or statements.
//!
//! Values are turned into order-preserving bytes once a batch and numbered once an aggregate, so that a group holds
//! only pairs of numbers: few values are counted by a linear search, many by a map.

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, FieldRef, Int64Type},
    row::{RowConverter, SortField},
};
use datafusion::{
    common::{HashMap, Result, ScalarValue, exec_datafusion_err, not_impl_err},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
    },
};
use std::{mem::size_of, sync::Arc};

/// The function, ready to be registered.
pub(crate) fn most_frequent() -> AggregateUDF {
    AggregateUDF::from(MostFrequent { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct MostFrequent {
    signature: Signature,
}

impl AggregateUDFImpl for MostFrequent {
    fn name(&self) -> &str {
        "most_frequent"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match arguments {
            [DataType::Dictionary(_, value)] => Ok(vec![value.as_ref().clone()]),
            [one] => Ok(vec![one.clone()]),
            _ => Err(exec_datafusion_err!("most_frequent takes one argument")),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments.first().cloned().unwrap_or(DataType::Null))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let list = |name: &str, item: DataType| -> FieldRef {
            Arc::new(Field::new_list(format!("{}[{name}]", args.name), Field::new_list_field(item, true), true))
        };
        let value = args.input_fields.first().map_or(DataType::Null, |field| field.data_type().clone());
        Ok(vec![list("values", value), list("counts", DataType::Int64)])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OneGroup(counter(&args)?)))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(counter(&args)?))
    }
}

fn counter(args: &AccumulatorArgs) -> Result<Counter> {
    if args.is_distinct {
        return not_impl_err!("most_frequent(DISTINCT ..) has no meaning: every value would occur once");
    }
    Counter::new(args.return_field.data_type().clone())
}

/// How often each value, by its number, occurred in one group.
enum Counts {
    Few(Vec<(u32, i64)>),
    Many(HashMap<u32, i64>),
}

/// Beyond this many values a group is searched by hash.
const FEW: usize = 24;

impl Counts {
    /// Gives the bytes by which it grew.
    fn add(&mut self, value: u32, count: i64) -> usize {
        match self {
            Counts::Few(pairs) => {
                if let Some(pair) = pairs.iter_mut().find(|pair| pair.0 == value) {
                    pair.1 += count;
                    return 0;
                }
                if pairs.len() < FEW {
                    let before = pairs.capacity();
                    pairs.push((value, count));
                    return (pairs.capacity() - before) * size_of::<(u32, i64)>();
                }
                let mut map: HashMap<u32, i64> = pairs.drain(..).collect();
                map.insert(value, count);
                *self = Counts::Many(map);
                FEW * size_of::<(u32, i64)>()
            }
            Counts::Many(map) => {
                let before = map.capacity();
                *map.entry(value).or_default() += count;
                (map.capacity() - before) * (size_of::<(u32, i64)>() + 1)
            }
        }
    }

    fn pairs(&self) -> Vec<(u32, i64)> {
        match self {
            Counts::Few(pairs) => pairs.clone(),
            Counts::Many(map) => map.iter().map(|(value, count)| (*value, *count)).collect(),
        }
    }
}

/// The counts of all groups, and the values they number.
struct Counter {
    data_type: DataType,
    converter: RowConverter,
    numbers: HashMap<Arc<[u8]>, u32>,
    values: Vec<Arc<[u8]>>,
    groups: Vec<Counts>,
    bytes: usize,
}

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "most_frequent({} groups, {} values)", self.groups.len(), self.values.len())
    }
}

impl Counter {
    fn new(data_type: DataType) -> Result<Self> {
        let converter = RowConverter::new(vec![SortField::new(data_type.clone())])?;
        Ok(Self { data_type, converter, numbers: HashMap::new(), values: Vec::new(), groups: Vec::new(), bytes: 0 })
    }

    /// Counts `column[i]`, `weight(i)` times, in group `group(i)`; `None` leaves the row out.
    fn count(&mut self, column: &ArrayRef, target: impl Fn(usize) -> Option<(usize, i64)>) -> Result<()> {
        let rows = self.converter.convert_columns(std::slice::from_ref(column))?;
        for (index, row) in rows.iter().enumerate() {
            if column.is_null(index) {
                continue;
            }
            if let Some((group, weight)) = target(index) {
                let number = self.number(row.as_ref())?;
                if let Some(counts) = self.groups.get_mut(group) {
                    self.bytes += counts.add(number, weight);
                }
            }
        }
        Ok(())
    }

    fn number(&mut self, row: &[u8]) -> Result<u32> {
        if let Some(number) = self.numbers.get(row) {
            return Ok(*number);
        }
        let number = u32::try_from(self.values.len())
            .map_err(|_| exec_datafusion_err!("most_frequent met more than 4 billion different values"))?;
        let value: Arc<[u8]> = row.into();
        self.bytes += value.len() + 2 * size_of::<usize>() + 3 * size_of::<Arc<[u8]>>();
        self.values.push(Arc::clone(&value));
        self.numbers.insert(value, number);
        Ok(number)
    }

    fn grow(&mut self, groups: usize) {
        while self.groups.len() < groups {
            self.groups.push(Counts::Few(Vec::new()));
        }
    }

    /// The value with the highest count; of several, the one whose bytes, and so whose value, is smallest.
    fn winner(&self, counts: &Counts) -> Option<u32> {
        let best = |best: Option<(u32, i64)>, pair: (u32, i64)| match best {
            Some(held) if held.1 > pair.1 => Some(held),
            Some(held) if held.1 == pair.1 && self.bytes_of(held.0) <= self.bytes_of(pair.0) => Some(held),
            _ => Some(pair),
        };
        let winner = match counts {
            Counts::Few(pairs) => pairs.iter().copied().fold(None, best),
            Counts::Many(map) => map.iter().map(|(value, count)| (*value, *count)).fold(None, best),
        };
        winner.map(|(value, _)| value)
    }

    fn bytes_of(&self, number: u32) -> &[u8] {
        self.values.get(number as usize).map_or(&[], |value| value)
    }

    /// The values of these numbers as a column.
    fn column(&self, numbers: impl Iterator<Item = Option<u32>>, null: &[u8]) -> Result<ArrayRef> {
        let parser = self.converter.parser();
        let rows = numbers.map(|number| parser.parse(number.map_or(null, |number| self.bytes_of(number))));
        let columns = self.converter.convert_rows(rows)?;
        columns.into_iter().next().ok_or_else(|| exec_datafusion_err!("most_frequent lost its column"))
    }

    fn null_row(&mut self) -> Result<Vec<u8>> {
        let null = arrow::array::new_null_array(&self.data_type, 1);
        Ok(self.converter.convert_columns(&[null])?.row(0).as_ref().to_vec())
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<Counts> {
        let taken = emit_to.take_needed(&mut self.groups);
        if self.groups.is_empty() {
            self.bytes = self.values.iter().map(|value| value.len() + 5 * size_of::<usize>()).sum();
        }
        taken
    }
}

impl GroupsAccumulator for Counter {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let kept = |index: usize| opt_filter.is_none_or(|filter| filter.is_valid(index) && filter.value(index));
        let target = |index: usize| group_indices.get(index).copied().filter(|_| kept(index)).map(|group| (group, 1));
        match values.first() {
            Some(column) => self.count(column, target),
            None => Ok(()),
        }
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let null = self.null_row()?;
        let groups = self.take(emit_to);
        self.column(groups.iter().map(|counts| self.winner(counts)), &null)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = self.take(emit_to);
        let pairs: Vec<Vec<(u32, i64)>> = groups.iter().map(Counts::pairs).collect();
        let offsets = OffsetBuffer::<i32>::from_lengths(pairs.iter().map(Vec::len));
        let values = self.column(pairs.iter().flatten().map(|pair| Some(pair.0)), &[])?;
        let counts: ArrayRef = Arc::new(pairs.iter().flatten().map(|pair| pair.1).collect::<Int64Array>());
        let list = |column: ArrayRef| -> Result<ArrayRef> {
            let item = Arc::new(Field::new_list_field(column.data_type().clone(), true));
            Ok(Arc::new(ListArray::try_new(item, offsets.clone(), column, None)?))
        };
        Ok(vec![list(values)?, list(counts)?])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.grow(total_num_groups);
        let [lists, counts] = values else {
            return Err(exec_datafusion_err!("most_frequent met a state that is not its own"));
        };
        let (lists, counts) = (lists.as_list::<i32>(), counts.as_list::<i32>());
        let (lists, counts) = (flat(lists, group_indices), flat(counts, group_indices));
        let weights = counts.0.as_primitive::<Int64Type>();
        self.count(&lists.0, |at| lists.1.get(at).map(|group| (*group, weights.value(at))))
    }

    fn convert_to_state(&self, _: &[ArrayRef], _: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        not_impl_err!("most_frequent always aggregates")
    }

    fn size(&self) -> usize {
        self.bytes + self.groups.capacity() * size_of::<Counts>() + self.converter.size()
    }
}

/// The items of all lists end to end, and the group of each item: one conversion a batch instead of one a group.
fn flat(lists: &ListArray, group_indices: &[usize]) -> (ArrayRef, Vec<usize>) {
    let lengths = lists.offsets().lengths();
    let owners = group_indices.iter().zip(lengths).flat_map(|(group, length)| std::iter::repeat_n(*group, length));
    let start = lists.offsets().first().map_or(0, |offset| *offset as usize);
    let owners: Vec<usize> = owners.collect();
    (lists.values().slice(start, owners.len()), owners)
}

/// The same without groups: one group of number 0.
#[derive(Debug)]
struct OneGroup(Counter);

impl Accumulator for OneGroup {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |column| column.len());
        GroupsAccumulator::update_batch(&mut self.0, values, &vec![0; rows], None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states.first().map_or(0, |column| column.len());
        GroupsAccumulator::merge_batch(&mut self.0, states, &vec![0; rows], 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.grow(1);
        let null = self.0.null_row()?;
        let winner = self.0.groups.first().and_then(|counts| self.0.winner(counts));
        ScalarValue::try_from_array(&self.0.column(std::iter::once(winner), &null)?, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.grow(1);
        let columns = GroupsAccumulator::state(&mut self.0, EmitTo::All)?;
        columns.iter().map(|column| ScalarValue::try_from_array(column, 0)).collect()
    }

    fn size(&self) -> usize {
        GroupsAccumulator::size(&self.0)
    }
}
