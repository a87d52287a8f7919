; twin of tsf-two-heads: a second head 1 % smaller is another weight
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const c Real)
(declare-const wm Real)
(declare-const wp Real)
(declare-const x Real)
(assert (>= wp 0.0))
(assert (>= wm 0.0))
(assert (> c 0.0))
; the witness
(assert (= c 1.0))
(assert (= wm 0.0))
(assert (= wp 1.0))
(assert (= x 1.0))
; the conclusion, negated
(assert (not (= (+ (* x (+ c wp)) (* (- 1.0) x (+ (* (/ 99.0 100.0) c) (* (/ 99.0 100.0) wm)))) (* x (+ wp (* (- 1.0) wm))))))
(check-sat)
(get-model)
