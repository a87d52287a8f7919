; twin of evict-identity: 1 % less is false
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const gone Real)
(declare-const kept Real)
(declare-const out Real)
(declare-const p Real)
(assert (= out (+ (* gone p) (* kept (+ 1.0 (* (- 1.0) p))))))
; the witness
(assert (= gone 1.0))
(assert (= kept 0.0))
(assert (= out 1.0))
(assert (= p 1.0))
; the conclusion, negated
(assert (not (= (+ out (* (- 1.0) kept)) (* (/ 99.0 100.0) p (+ gone (* (- 1.0) kept))))))
(check-sat)
(get-model)
