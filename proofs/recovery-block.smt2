; recovery: in the plane of two features <r, a> <= |r| |a|: what one block can add
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const A Real)
(declare-const R Real)
(declare-const a1 Real)
(declare-const a2 Real)
(declare-const r1 Real)
(declare-const r2 Real)
(assert (>= R 0.0))
(assert (>= A 0.0))
(assert (= (* R R) (+ (* r1 r1) (* r2 r2))))
(assert (= (* A A) (+ (* a1 a1) (* a2 a2))))
; the conclusion, negated
(assert (not (<= (+ (* a1 r1) (* a2 r2)) (* A R))))
(check-sat)
