; kv-dictionary: above N = m d b_D/(d b - L - a b) rows the dictionary and its codes are fewer bits
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const L Real)
(declare-const N Real)
(declare-const a Real)
(declare-const b Real)
(declare-const bD Real)
(declare-const d Real)
(declare-const m Real)
(assert (> (+ (* (- 1.0) L) (* b d) (* (- 1.0) a b)) 0.0))
(assert (> (* N (+ (* (- 1.0) L) (* b d) (* (- 1.0) a b))) (* bD d m)))
; the conclusion, negated
(assert (not (< (+ (* N (+ L (* a b))) (* bD d m)) (* N b d))))
(check-sat)
