; twin of seth-head-decide-near: a threshold 1 % higher fails at error 0.1249
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const R Real)
(declare-const e Real)
(assert (>= R 1.0))
(assert (> e (- (/ 1.0 8.0))))
; the witness
(assert (= R 1.0))
(assert (= e (- (/ 1249.0 10000.0))))
; the conclusion, negated
(assert (not (> (+ R (* e (+ 1.0 R))) (+ (/ 303.0 800.0) (* (/ 303.0 800.0) R)))))
(check-sat)
(get-model)
