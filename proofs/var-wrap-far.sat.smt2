; twin of var-wrap-far: a threshold 1 % lower fails
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const J Real)
(declare-const R Real)
(declare-const e Real)
(declare-const val Real)
(assert (>= R 0.0))
(assert (<= (* 3.0 R) 1.0))
(assert (>= J 0.0))
(assert (<= J (/ 1.0 100.0)))
(assert (<= (* 2.0 val) (/ 2705.0 1024.0)))
(assert (< e (/ 117.0 1000.0)))
; the witness
(assert (= J (/ 1.0 100.0)))
(assert (= R (/ 1.0 3.0)))
(assert (= e (/ 1169.0 10000.0)))
(assert (= val (/ 2705.0 2048.0)))
; the conclusion, negated
(assert (not (< (+ R (* J val) (* e (+ 1.0 J R))) (+ (/ 297.0 800.0) (* (/ 297.0 800.0) J) (* (/ 297.0 800.0) R)))))
(check-sat)
(get-model)
