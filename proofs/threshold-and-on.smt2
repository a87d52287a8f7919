; threshold-and: with the bit the gate is [S >= m], whole numbers
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const B Real)
(declare-const S Real)
(declare-const g Real)
(declare-const m Real)
(declare-const x Real)
(assert (= (* x (+ (- 1.0) x)) 0.0))
(assert (= (* g (+ (- 1.0) g)) 0.0))
(assert (= x 1.0))
(assert (>= (* g (+ S (* (- 1.0) m))) 0.0))
(assert (>= (* (+ 1.0 (* (- 1.0) g)) (+ (- 1.0) m (* (- 1.0) S))) 0.0))
; the conclusion, negated
(assert (not (and (>= (* g (+ S (* (- 1.0) B) (* (- 1.0) m) (* B x))) 0.0) (>= (* (+ 1.0 (* (- 1.0) g)) (+ (- 1.0) B m (* (- 1.0) S) (* (- 1.0) B x))) 0.0))))
(check-sat)
