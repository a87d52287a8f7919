; twin of flowar-criteria: the product is not kept: W_q^T W_k = 0 has a rotated logit 1
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const c Real)
(declare-const k1 Real)
(declare-const k2 Real)
(declare-const q1 Real)
(declare-const q2 Real)
(declare-const s Real)
(assert (= (+ (* c c) (* s s)) 1.0))
; the witness
(assert (= c 0.0))
(assert (= k1 0.0))
(assert (= k2 1.0))
(assert (= q1 1.0))
(assert (= q2 0.0))
(assert (= s 1.0))
; the conclusion, negated
(assert (not (= (+ (* k1 (+ (* c q1) (* (- 1.0) q2 s))) (* k2 (+ (* c q2) (* q1 s)))) (+ (* k1 q1) (* k2 q2)))))
(check-sat)
(get-model)
