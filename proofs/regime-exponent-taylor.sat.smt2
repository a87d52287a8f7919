; twin of regime-exponent-taylor: a slope above 3.6 is false at gamma = 3.6 b (its least is 3.5911: slack)
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
(assert (= a (/ 18.0 5.0)))
(assert (= slope (/ 46000.0 12809.0)))
(assert (= x (/ 12809.0 10000.0)))
; the conclusion, negated
(assert (not (> slope (/ 18.0 5.0))))
(check-sat)
(get-model)
