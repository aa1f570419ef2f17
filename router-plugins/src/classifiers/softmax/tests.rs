//! Tests of the softmax classifier as a whole.
