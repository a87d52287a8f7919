; kv-lowrank: a state of r(d_v+1) numbers of `width` bits that holds N d_v b bits has this rank
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const N Real)
(declare-const b Real)
(declare-const dv Real)
(declare-const r Real)
(declare-const width Real)
(assert (> N 0.0))
(assert (> dv 0.0))
(assert (> b 0.0))
(assert (> r 0.0))
(assert (> width 0.0))
(assert (>= (* r width (+ 1.0 dv)) (* N b dv)))
; the conclusion, negated
(assert (not (>= r (* N b dv (/ 1.0 width) (/ 1.0 (+ 1.0 dv))))))
(check-sat)
