; twin of regime-exponent-taylor: no fixed positive slope: it falls with x
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const a Real)
(declare-const slope Real)
(declare-const x Real)
(assert (> x 0.0))
(assert (> a 1.0))
(assert (= (* slope x) (+ 1.0 a)))
; the witness
(assert (= a (/ 101.0 100.0)))
(assert (= slope (/ 201.0 1000000.0)))
(assert (= x 10000.0))
; the conclusion, negated
(assert (not (> slope (/ 1.0 1000.0))))
(check-sat)
(get-model)
