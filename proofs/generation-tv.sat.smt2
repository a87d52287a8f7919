; twin of generation-tv: attained where one of them never parts
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const kept Real)
(declare-const other Real)
(assert (>= kept 0.0))
(assert (<= kept 1.0))
(assert (>= other 0.0))
(assert (<= other 1.0))
; the witness
(assert (= kept 1.0))
(assert (= other 0.0))
; the conclusion, negated
(assert (not (<= (+ 1.0 (* (- 1.0) kept other)) (+ (/ 99.0 50.0) (* (- (/ 99.0 100.0)) kept) (* (- (/ 99.0 100.0)) other)))))
(check-sat)
(get-model)
