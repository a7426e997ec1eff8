//! The run loop's hold on the machine's stacks.
//!
//! Instructions push, pop and look at places of the frame many millions of times a second, so that the loop works with
//! pointers instead of checked vectors. The compiler knows how many values a procedure's frame can hold
//! (`Proto::height`); the room for all of them is there before the procedure begins, after which nothing is checked again.
//!
//! While a [`View`] is open both vectors count as empty: should a procedure in Rust panic, values leak, and nothing is
//! dropped twice. What is between the bottom and the top of a stack is initialised and owned by the view.

use crate::{
    code::Proto,
    procedure::Closure,
    value::{Value, Words},
};

use super::{Machine, frame::Frame};
use crate::code::SMALL;

/// The places of the stack that instructions work with.
pub(super) struct View {
    /// After the last value.
    pub top: *mut Value,
    /// The first value of the running procedure's frame.
    pub base: *mut Value,
}

/// What else the loop holds, in memory.
pub(super) struct Room {
    /// After the last frame.
    pub frames: *mut Frame,
    /// Where the room for frames ends.
    last: *mut Frame,
    /// Above this place there is room for one more small frame ([`SMALL`]).
    end: *mut Value,
    /// The first value.
    pub bottom: *mut Value,
    /// The first frame.
    first: *mut Frame,
}

/// Drops the value at a place; at no cost if it is plain.
///
/// # Safety
/// There is one, which is not used again.
#[inline(always)]
pub(super) unsafe fn discard(place: *mut Value) {
    unsafe {
        match &*place {
            plain if plain.is_plain() => {}
            Value::Pair(pair) => drop(std::ptr::read(pair)),
            Value::Closure(closure) => drop(std::ptr::read(closure)),
            _ => discard_other(place),
        }
    }
}

#[inline(never)]
unsafe fn discard_other(place: *mut Value) {
    unsafe { place.drop_in_place() }
}

/// Returns the code of the running procedure.
///
/// # Safety
/// A reference to the procedure is owned as long as the code is used.
#[inline(always)]
pub(super) unsafe fn proto_of<'a>(closure: *const Closure) -> &'a Proto {
    unsafe { &(&*closure).proto }
}

/// Returns a captured value of the running procedure.
///
/// # Safety
/// The compiler emitted this place; the reference is used before the procedure ends.
#[inline(always)]
pub(super) unsafe fn captured<'a>(closure: *const Closure, index: u32) -> &'a Value {
    unsafe { (&*closure).environment.values.get_unchecked(index as usize) }
}

impl Machine {
    /// Takes the stacks out; the frame of the running procedure, with room for all its values, begins at a place.
    #[cold]
    #[inline(never)]
    pub(super) fn open(&mut self, room: &mut Room, view: &mut View, base: usize, height: u32) {
        let height = height as usize;
        let length = self.stack.len();
        self.stack.reserve((base + height + SMALL as usize).saturating_sub(length));
        self.frames.reserve(1);
        let values = (self.stack.capacity() - SMALL as usize).min(self.limits.values.max(base + height));
        let frames = self.frames.capacity().min(self.limits.depth.saturating_add(1).max(self.frames.len()));
        room.bottom = self.stack.as_mut_ptr();
        room.first = self.frames.as_mut_ptr();
        // SAFETY: all offsets are within the capacities.
        unsafe {
            room.end = room.bottom.add(values.max(length));
            room.frames = room.first.add(self.frames.len());
            room.last = room.first.add(frames);
            self.stack.set_len(0);
            self.frames.set_len(0);
            *view = View { top: room.bottom.add(length), base: room.bottom.add(base) };
        }
    }

    /// Puts the stacks back; returns the place of the frame.
    #[cold]
    #[inline(never)]
    pub(super) fn close(&mut self, room: &Room, view: &View) -> usize {
        // SAFETY: what is below the tops is initialised, and within the capacities.
        unsafe {
            self.stack.set_len(room.place(view.top));
            self.frames.set_len(usize::try_from(room.frames.offset_from(room.first)).unwrap_or(0));
        }
        room.place(view.base)
    }
}

impl Room {
    /// Returns what is filled in when the stacks are taken out.
    pub fn new() -> Self {
        let (value, frame) = (std::ptr::null_mut(), std::ptr::null_mut());
        Room { frames: frame, last: frame, end: value, bottom: value, first: frame }
    }

    /// Whether the running procedure's frame has as many values as the compiler counted, or fewer, and room for more.
    pub fn holds(&self, view: &View, height: u32) -> bool {
        let height = height as usize;
        let room = self.end.wrapping_add(SMALL as usize);
        view.base <= view.top && view.top <= view.base.wrapping_add(height) && view.top <= room
    }

    /// Returns the place of a value on the stack.
    #[inline(always)]
    pub fn place(&self, pointer: *mut Value) -> usize {
        // SAFETY: both are in the same allocation.
        unsafe { pointer.offset_from(self.bottom).cast_unsigned() }
    }
}

impl View {
    /// Whether there is room for a call of a procedure whose frame is small: another frame, and so many values.
    #[inline(always)]
    pub fn has_room(&self, room: &Room) -> bool {
        room.frames < room.last && self.top <= room.end
    }

    /// Makes the frame begin at the topmost values.
    ///
    /// # Safety
    /// There are so many.
    #[inline(always)]
    pub unsafe fn set_base(&mut self, count: u32) {
        self.base = unsafe { self.top.sub(count as usize) };
    }

    /// Returns a variable of the frame.
    ///
    /// # Safety
    /// The compiler emitted this place at this instruction.
    #[inline(always)]
    pub unsafe fn local(&self, slot: u32) -> *mut Value {
        unsafe { self.base.add(slot as usize) }
    }

    /// Returns a topmost value; 1 is the top.
    ///
    /// # Safety
    /// There are so many.
    #[inline(always)]
    pub unsafe fn nth(&self, depth: u32) -> *mut Value {
        unsafe { self.top.sub(depth as usize) }
    }

    /// Pushes a value.
    ///
    /// # Safety
    /// There is room: the compiler counted this instruction.
    #[inline(always)]
    pub unsafe fn push(&mut self, value: Value) {
        unsafe {
            self.top.write(value);
            self.top = self.top.add(1);
        }
    }

    /// Pushes the words of a value.
    ///
    /// # Safety
    /// As [`View::push`], and they become a value once.
    #[inline(always)]
    pub unsafe fn put(&mut self, words: Words) {
        unsafe {
            words.put(self.top);
            self.top = self.top.add(1);
        }
    }

    /// Pushes a copy of a value.
    ///
    /// # Safety
    /// As [`View::push`].
    #[inline(always)]
    pub unsafe fn copy(&mut self, value: &Value) {
        value.count();
        unsafe { self.put(Words::at(value)) }
    }

    /// Takes the value out of a variable of the frame.
    ///
    /// # Safety
    /// The compiler emitted this place at this instruction.
    #[inline(always)]
    pub unsafe fn take(&mut self, slot: u32) -> Words {
        unsafe {
            let place = self.local(slot);
            let words = Words::at(place);
            place.write(Value::Nil);
            words
        }
    }

    /// Pops a value.
    ///
    /// # Safety
    /// There is one in the frame.
    #[inline(always)]
    pub unsafe fn pop(&mut self) -> Value {
        unsafe { self.pop_words().into_value() }
    }

    /// Pops the words of a value.
    ///
    /// # Safety
    /// There is one in the frame.
    #[inline(always)]
    pub unsafe fn pop_words(&mut self) -> Words {
        unsafe {
            self.top = self.top.sub(1);
            Words::at(self.top)
        }
    }

    /// Pops values, the top being the last.
    ///
    /// # Safety
    /// There are so many in the frame.
    #[inline]
    pub unsafe fn pop_many(&mut self, count: u32) -> Box<[Value]> {
        let count = count as usize;
        let mut values = Vec::with_capacity(count);
        unsafe {
            self.top = self.top.sub(count);
            self.top.copy_to_nonoverlapping(values.as_mut_ptr(), count);
            values.set_len(count);
        }
        values.into_boxed_slice()
    }

    /// Drops topmost values.
    ///
    /// # Safety
    /// There are so many.
    #[inline(always)]
    pub unsafe fn drop_top(&mut self, count: u32) {
        unsafe { self.drop_to(self.top.sub(count as usize)) }
    }

    /// Drops values down to a place.
    ///
    /// # Safety
    /// It is within the frame.
    #[inline(always)]
    pub unsafe fn drop_to(&mut self, to: *mut Value) {
        let mut at = self.top;
        while at > to {
            unsafe {
                at = at.sub(1);
                discard(at);
            }
        }
        self.top = to;
    }

    /// Drops the frame but for a variable, which it returns.
    ///
    /// # Safety
    /// The procedure is being left, and the compiler emitted this place at this instruction.
    #[inline(always)]
    pub unsafe fn drop_all_but(&mut self, slot: u32) -> Words {
        unsafe {
            let place = self.local(slot);
            self.drop_to(place.add(1));
            let words = Words::at(place);
            self.top = place;
            self.drop_to(self.base);
            words
        }
    }

    /// Moves the topmost values down to a place of the frame and drops what is between.
    ///
    /// # Safety
    /// There are so many above the place.
    #[inline(always)]
    pub unsafe fn move_down(&mut self, slot: u32, count: u32) {
        unsafe {
            let to = self.base.add(slot as usize);
            let mut from = self.top.sub(count as usize);
            let mut old = to;
            while old < from {
                discard(old);
                old = old.add(1);
            }
            let top = self.top;
            self.top = to.add(count as usize);
            if to < from {
                let mut to = to;
                while from < top {
                    Words::at(from).put(to);
                    (from, to) = (from.add(1), to.add(1));
                }
            }
        }
    }
}
